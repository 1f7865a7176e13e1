"""A series of recordings on the way from one to another, over all levels or some of them."""

from pathlib import Path

from msdae import cli, commands
from msdae.inference.pipeline import Mix, strengths


def main() -> None:
    parser = cli.parser(
        "Render a series from the melody source (strength 0) to the timbre source (strength 1) on the\n"
        "levels in --levels. Each is as long and as loud as the melody source.",
        "python experiments/interpolate.py --timbre a.wav --melody b.wav --count 5 --levels 1 --out series",
    )
    parser.add_argument("--timbre", type=Path, required=True, metavar="FILE", help="where the series ends")
    parser.add_argument("--melody", type=Path, required=True, metavar="FILE", help="where the series begins")
    parser.add_argument("--count", type=int, default=5, help="recordings in the series, 2 or more")
    parser.add_argument("--out", type=Path, default=Path("interpolation"), help="folder of the results")
    commands.add_levels(parser, default="1,2,3")
    commands.add_align(parser)
    commands.add_plot(parser)
    commands.add_sampling(parser)
    options = parser.parse_args()

    timbre, melody = commands.open_source(options.timbre), commands.open_source(options.melody)
    series = {
        options.out / f"{number}-strength-{strength:.2f}.wav": strength
        for number, strength in enumerate(strengths(options.count), start=1)
    }
    commands.make_folder(options.out)
    commands.check_outputs(series, options.plot, [timbre, melody])
    renderer = commands.pipeline(options)
    for output, strength in series.items():
        mix = Mix(melody, dict.fromkeys(options.levels, timbre), strength, options.align)
        commands.render(renderer, mix, output)
    results = {f"strength {strength:.2f}": commands.open_source(path) for path, strength in series.items()}
    commands.plot(options.plot, results)


if __name__ == "__main__":
    cli.run(main)
