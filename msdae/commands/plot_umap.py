"""Map what each code of a model holds: UMAP, coloured by instrument and pitch."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from msdae import audio, cli, files, folders
from msdae.limits import Range
from msdae.models.registry import MODELS

CLIPS = Range(16, 2000, reason="a page with more sounds does not open everywhere")
SEED = Range(0, 2**32 - 1)


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "plot-umap",
        "Draw UMAPs of the time averages of h1, h2 and h3, coloured by instrument and by pitch (the thesis's "
        "figures 18 to 21): for each model, each data set, notes and melodies, a picture and a page on which "
        "points can be listened to.",
        "--checkpoint embedded hdae=runs/hdae/stage1/model.safetensors",
    )
    cli.add_checkpoints(parser)
    parser.add_argument("--model", choices=list(MODELS), help="map the checkpoints of this kind only")
    parser.add_argument(
        "--data",
        nargs="+",
        default=None,
        help="prepared data sets (default: the embedded data, made on first use)",
    )
    parser.add_argument("--split", nargs="+", default=["valid", "test"], help="caches of each data set")
    parser.add_argument(
        "--clips", type=cli.ranged(CLIPS), default=300, help="largest number of points on a map"
    )
    parser.add_argument("--seed", type=cli.ranged(SEED), default=0, help="seed of UMAP")
    parser.add_argument(
        "--out", type=Path, default=folders.runs() / "umap", help="folder for pictures and pages"
    )
    cli.add_device(parser)
    options = parser.parse_args(argv)
    from msdae.analysis import umap as umaps
    from msdae.analysis import umap_page
    from msdae.analysis.probes import inputs
    from msdae.data import ClipCache
    from msdae.data.labels import KINDS
    from msdae.nn.device import device

    files.make_folder(options.out)
    models = inputs.models(cli.named(options.checkpoint), options.model, device(options.device))
    data_sets = inputs.folders(options.data, tqdm)
    for names in itertools.product(models, data_sets, KINDS):
        for suffix in (".png", ".html"):
            files.check_replaceable(options.out / (umaps.file_stem(*names) + suffix))
    for data, folder in data_sets.items():
        caches = [ClipCache(Path(folder) / split) for split in dict.fromkeys(options.split)]
        for clips in KINDS:
            points = umaps.choose(caches, clips, options.clips)
            if not points:
                cli.note(f"{folder}: no {clips} with a family")
                continue
            for path in sorted({point.cache.clips[point.index]["path"] for point in points}):
                audio.open_recording(path)  # a missing recording is reported here, not minutes later
            for name, model in models.items():
                kind = type(model).__name__
                maps = umaps.maps(model, points, f"{kind} ({name}), {clips} of {data}", options.seed, tqdm)
                stem = options.out / umaps.file_stem(name, data, clips)
                umaps.plot(maps, f"{stem}.png")
                umap_page.write(maps, f"{stem}.html", tqdm)
                print(f"wrote {stem}.png and {stem}.html ({len(points)} clips)")
