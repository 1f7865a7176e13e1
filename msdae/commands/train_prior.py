"""Train a prior: what generates codes from nothing, from words or around what is given."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from msdae import cli, config, files, folders
from msdae.limits import CLIPS
from msdae.locks import only_process
from msdae.models.priors import PRIORS

if TYPE_CHECKING:
    from msdae.data.pieces import Piece
    from msdae.inference.pipeline import Pipeline


def main(argv: Sequence[str] | None = None) -> None:
    options = _parse(argv)
    from msdae.inference.pipeline import Pipeline
    from msdae.models.priors.base import find
    from msdae.models.priors.grid import Grid
    from msdae.nn.device import device
    from msdae.training.prior import PRODUCT, settings_of, train
    from msdae.training.processes import process_state

    run = options.run or folders.runs() / "priors" / options.prior
    if options.out is not None:
        files.check_replaceable(options.out)
    settings = config.load(settings_of(options.prior), options.config, options.set)
    pipeline = Pipeline.from_pretrained(options.checkpoint, options.device, codec=options.codec)
    grid = Grid.of(pipeline.model)
    files.make_folder(run)
    process_state(device(options.device))
    with only_process(run):
        pieces = load_pieces(pipeline, options.data, options.pieces, getattr(settings.model, "text", 0) > 0)
        provenance = {"data": str(options.data.name if options.data else "pieces")}
        facts = pieces, grid, pipeline.fingerprint, run, provenance
        if not train(options.prior, settings, *facts, tqdm):
            raise SystemExit(130)
    if options.out is not None:
        find(options.prior, run).save(options.out, half=True)
    product = options.out or run / PRODUCT
    print(f"next: {cli.program('generate')} --prior {options.prior} --trained {product}")


def load_pieces(pipeline: "Pipeline", data: Path | None, clips: int, text: bool) -> "dict[str, list[Piece]]":
    """The pieces in the folder `data`, or those that are rendered where none is given, as codes of a model.

    They are encoded once, into a file beside them (of recordings of one's own: in the folder of caches).

    clips: pieces that are rendered for training. text: with captions.
    """
    from msdae.data import embedded
    from msdae.data import pieces as stored
    from msdae.data.sets import DATASETS
    from msdae.data.sources import ClipLength
    from msdae.data.tally import Tally
    from msdae.inference.pieces import encoded, key
    from msdae.inference.wording import described
    from msdae.models.priors.grid import Grid

    if data is None:
        recordings, folder = embedded.pieces(clips=clips, progress=tqdm), folders.data() / "pieces"
    else:
        tally = Tally()
        recordings = DATASETS["folder"].scan(data, tally, ClipLength.of(pipeline.codec), tqdm)
        for line in tally.lines("files"):
            cli.note(line)
        folder = folders.cache()
    facts = pipeline.fingerprint, key(recordings) + "text" * text
    path = folder / f"codes-{facts[0][:8]}-{facts[1][:8]}.safetensors"
    path = path.with_stem(f"{path.stem}-text") if text else path
    if not path.exists():
        files.make_folder(folder)
        stored.save(path, encoded(pipeline, recordings, described if text else None, tqdm), *facts)
    pieces = stored.load(path, *facts, Grid.of(pipeline.model).pooled)
    cli.note("pieces: " + ", ".join(f"{len(members)} {split}" for split, members in pieces.items()))
    return pieces


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(
        "train-prior",
        "Train a prior of a model's codes, on a folder of recordings or on pieces that are rendered on\n"
        "first use (5 hours of music, 6 minutes on two cores). The Gaussian is fitted in seconds. Killed\n"
        "and started again, the same line continues.",
        "--prior dit --data ~/Music --set model.width=256",
    )
    parser.add_argument("--prior", choices=list(PRIORS), default="dit", help="which prior")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="recordings to learn from")
    parser.add_argument(
        "--pieces", type=cli.ranged(CLIPS), default=600, help="that are rendered without --data"
    )
    parser.add_argument("--config", type=Path, help="YAML of what differs from the defaults")
    cli.add_set(parser, "a setting, e.g. steps=500 or model.layers=2")
    parser.add_argument("--run", type=Path, help="folder of the training (runs/priors/PRIOR)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the weights, in half precision")
    parser.add_argument(
        "--checkpoint",
        default="embedded",
        help="the model whose codes they are: 'embedded', a file, a folder",
    )
    cli.add_codec(parser)
    cli.add_device(parser)
    return parser.parse_args(argv)
