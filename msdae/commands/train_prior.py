"""Train a prior: what generates codes from nothing, from words or around what is given."""

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from msdae import cli, config, files, folders
from msdae.errors import UserError
from msdae.limits import CLIPS
from msdae.locks import only_process
from msdae.models.priors import PRIORS

if TYPE_CHECKING:
    from msdae.codecs.base import Codec
    from msdae.data.pieces import Piece
    from msdae.data.sources import SourceFile
    from msdae.inference.mels import MelSpace
    from msdae.inference.pipeline import Pipeline

CODES = "codes"  # stands for the codes of a model
PIECES = 600  # rendered where neither recordings nor a number are given
SPACES = (CODES, "mel-64", "mel-128")


def main(argv: Sequence[str] | None = None) -> None:
    options = _parse(argv)
    if options.data and options.pieces:
        raise UserError("--pieces are rendered only without --data; leave one out")
    from msdae.data.sources import ClipLength
    from msdae.inference.mels import MelSpace
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
    space = pipeline if options.over == CODES else MelSpace(options.over, ClipLength.of(pipeline.codec))
    grid = Grid.of(pipeline.model) if options.over == CODES else space.grid
    files.make_folder(run)
    process_state(device(options.device))
    with only_process(run):
        found = recordings(options.data, options.pieces or PIECES, pipeline.codec)
        reads = getattr(settings.model, "text", 0) > 0
        pieces = load_pieces(space, found, reads)
        if reads and not any(piece.texts.any() for members in pieces.values() for piece in members):
            cli.note("the recordings have no captions: the prior reads no texts (model.text=0)")
            settings = replace(settings, model=replace(settings.model, text=0))
        provenance = {"data": str(options.data.name if options.data else "pieces")}
        facts = pieces, grid, space.fingerprint, run, provenance
        if not train(options.prior, settings, *facts, tqdm):
            raise SystemExit(130)
    if options.out is not None:
        find(options.prior, run).save(options.out, half=True)
    facts = {"trained": options.out or run / PRODUCT, "codec": options.codec}
    if options.checkpoint != "embedded":
        facts["checkpoint"] = options.checkpoint
    line = " ".join(f"--{name} {shlex.quote(str(value))}" for name, value in facts.items() if value)
    print(f"next: {cli.program('generate')} --prior {options.prior} {line}")


def recordings(data: Path | None, clips: int, codec: "Codec") -> "dict[str, list[SourceFile]]":
    """{split: recordings} in the folder or rendered data set `data` or, if it is None, of rendered pieces.

    clips: number of pieces that are rendered for training.
    """
    from msdae.data import defaults
    from msdae.data.scanning import scan
    from msdae.data.sources import ClipLength
    from msdae.data.tally import Tally

    if data is None:
        return defaults.pieces(clips=clips, progress=tqdm)
    tally = Tally()
    found = scan(data, tally, ClipLength.of(codec), tqdm)
    for line in tally.lines("files"):
        cli.note(line)
    return found


def load_pieces(
    space: "Pipeline | MelSpace", found: "dict[str, list[SourceFile]]", text: bool
) -> "dict[str, list[Piece]]":
    """{split: pieces}: the recordings `found` as codes of a model or as log-mels.

    They are encoded once and kept in a file in the cache folder.

    text: whether pieces have captions.
    """
    from msdae.data import pieces as stored
    from msdae.inference.pieces import encoded, key
    from msdae.inference.wording import described
    from msdae.models.priors.grid import Grid

    pooled = () if hasattr(space, "encoded") else Grid.of(space.model).pooled
    facts = space.fingerprint, key(found) + "text" * text
    path = folders.cache() / f"codes-{facts[0][:8]}-{facts[1][:8]}{'-text' * text}.safetensors"
    if not path.exists():
        files.make_folder(path.parent)
        encode = getattr(space, "encoded", partial(encoded, space))
        stored.save(path, encode(found, described if text else None, tqdm), *facts)
    pieces = stored.load(path, *facts, pooled)
    cli.note("pieces: " + ", ".join(f"{len(members)} {split}" for split, members in pieces.items()))
    return pieces


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(
        "train-prior",
        "Train a prior of a model's codes, on a folder of recordings or on pieces that are rendered on\n"
        "first use (5 hours of music, 6 minutes on two cores). The Gaussian is fitted in seconds, over\n"
        "log-mels in minutes. Killed and started again, the same line continues.",
        "--prior dit --data ~/Music --set model.width=256",
    )
    parser.add_argument("--prior", choices=list(PRIORS), default="dit", help="prior to train")
    parser.add_argument(
        "--over",
        choices=SPACES,
        default=CODES,
        help="what it models: codes of a model, or 10 kHz log-mels of so many bands",
    )
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="folder of recordings to learn from")
    parser.add_argument(
        "--pieces",
        type=cli.ranged(CLIPS),
        help=f"number of pieces to render for training, without --data (default: {PIECES})",
    )
    parser.add_argument("--config", type=Path, help="YAML file of settings that differ from the defaults")
    cli.add_set(parser, "override a setting, e.g. steps=500 or model.layers=2")
    parser.add_argument("--run", type=Path, help="folder of the training (default: runs/priors/PRIOR)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the weights, in half precision")
    cli.add_model(parser)
    return parser.parse_args(argv)
