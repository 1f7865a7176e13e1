"""Train a composer: a network that writes melodies or chorales."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from msdae import cli, config, files, folders
from msdae.errors import UserError
from msdae.locks import only_process
from msdae.models.composers import COMPOSERS

if TYPE_CHECKING:
    from msdae.symbolic.pieces import Pieces

SHOWN = 3  # unusable files that are named one by one


def main(argv: Sequence[str] | None = None) -> None:
    options = _parse(argv)
    from msdae.models.composers.base import find
    from msdae.nn.device import device
    from msdae.training.composer import PRODUCT, settings_of, train
    from msdae.training.processes import process_state

    run = options.run or folders.runs() / "composers" / options.model
    if options.out is not None:
        files.check_replaceable(options.out)
    settings = config.load(settings_of(options.model), options.config, options.set)
    pieces = load_pieces(COMPOSERS[options.model].voices, options.data)
    files.make_folder(run)
    process_state(device(options.device))
    with only_process(run):
        if not train(options.model, settings, pieces, run, tqdm):
            raise SystemExit(130)
    if options.out is not None:
        find(options.model, run).save(options.out, half=True)
    product = options.out or run / PRODUCT
    print(f"next: {cli.program('compose')} --model {options.model} --trained {product}")


def load_pieces(voices: int, data: Path | None) -> "Pieces":
    """The pieces for composers of so many voices: the corpus, or the files in the folder `data`.

    Files that cannot be used are printed.

    Raises:
        UserError: there are no pieces to learn from.
    """
    from msdae.symbolic.pieces import SOURCES, folder

    if data is None:
        pieces = SOURCES[voices](tqdm)
    else:
        pieces, refused = folder(data, voices, tqdm)
        for text in refused[:SHOWN]:
            cli.note(text)
        if len(refused) > SHOWN:
            cli.note(f"{data}: {len(refused) - SHOWN} more files cannot be used")
    sizes = ", ".join(f"{len(pieces[split])} {split}" for split in pieces)
    cli.note(f"pieces: {sizes}")
    if not pieces["train"]:
        raise UserError(f"{data}: no pieces to learn from; give more files")
    return pieces


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(
        "train-composer",
        "Train a composer on music21's corpus (four_voices, musegan, vae and roll_diffusion on Bach's\n"
        "chorales, lstm and transformer on 1 059 fiddle tunes) or on a folder of MIDI and MusicXML. Killed\n"
        "and started again, the same line continues.",
        "--model transformer --data ~/midi --set model.width=256",
    )
    parser.add_argument("--model", choices=list(COMPOSERS), default="transformer", help="composer to train")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="MIDI and MusicXML files to learn from")
    parser.add_argument("--config", type=Path, help="YAML file of settings that differ from the defaults")
    cli.add_set(parser, "override a setting, e.g. steps=500 or model.layers=2")
    parser.add_argument("--run", type=Path, help="folder of the training (default: runs/composers/MODEL)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the weights, in half precision")
    cli.add_device(parser)
    return parser.parse_args(argv)
