"""Render a series of recordings on the way from one to another."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from tqdm import tqdm

from msdae import cli, files
from msdae.commands._arguments import add_levels, check_sampling
from msdae.errors import UserError
from msdae.inference.settings import SERIES, Mix, strengths


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "interpolate",
        "Render a series from the melody source (strength 0) to the timbre source (strength 1) on the\n"
        "levels in --levels. Each is as long and as loud as the melody source.",
        "--timbre a.wav --melody b.wav --count 5 --levels 1 --out series",
    )
    parser.add_argument(
        "--timbre", type=Path, required=True, metavar="FILE", help="timbre source, at the end of the series"
    )
    parser.add_argument(
        "--melody",
        type=Path,
        required=True,
        metavar="FILE",
        help="melody source, at the beginning of the series",
    )
    parser.add_argument(
        "--count", type=cli.ranged(SERIES), default=5, help=f"number of recordings in the series, {SERIES}"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("interpolation"), help="folder to write the series to"
    )
    add_levels(parser)
    cli.add_plot(parser)
    cli.add_sampling(parser)
    options = parser.parse_args(argv)

    timbre, melody = cli.open_source(options.timbre), cli.open_source(options.melody)
    series = {
        options.out / f"{number}-strength-{strength:.2f}.wav": strength
        for number, strength in enumerate(strengths(options.count), start=1)
    }
    made = [folder for folder in (options.out, *options.out.parents) if not folder.exists()]
    files.make_folder(options.out)
    try:
        cli.check_outputs(series, options.plot, [timbre, melody])
        renderer = cli.pipeline(options)
        levels = options.levels or range(1, renderer.model.stage + 1)
        check_sampling(options, levels)
        mix = Mix(melody, dict.fromkeys(levels, timbre))
        masterings = renderer.render_series(mix, series, partial(tqdm, desc=options.out.name))
    except UserError:
        with suppress(OSError):  # leave no empty folders behind
            for folder in made:
                folder.rmdir()
        raise
    for output, mastering in zip(series, masterings, strict=True):
        cli.say_written(output, melody, mastering.limited)
    if older := [path.name for path in options.out.glob("[0-9]*-strength-*.wav") if path not in series]:
        cli.note(f"{options.out}: also holds {len(older)} of another series, such as {min(older)}")
    results = {f"strength {strength:.2f}": cli.open_source(path) for path, strength in series.items()}
    cli.plot(options.plot, results)
