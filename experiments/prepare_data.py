"""Prepare a data set for training: scan, report, encode, write caches or shards."""

import argparse
from pathlib import Path

from msdae import cli
from msdae.data import folder, nsynth, slakh, squares, synth
from msdae.data.embedded import make, show
from msdae.data.encode import Encoding
from msdae.data.prepare import prepare
from msdae.data.report import Report
from msdae.errors import UserError

SCANS = {"nsynth": nsynth.scan, "slakh": slakh.scan, "folder": folder.scan, "squares": squares.scan}


def main() -> None:
    arguments = _parse()
    out, source = Path(arguments.out), arguments.source and Path(arguments.source)
    encoding = Encoding(arguments.codec, device=str(cli.device(arguments.device)))
    if arguments.dataset == "synth":
        fonts, unseen = tuple(arguments.soundfont), tuple(arguments.unseen_soundfont)
        settings = synth.Settings(arguments.clips, arguments.seed, fonts, unseen)
        make(out, settings, encoding, source, arguments.workers, arguments.strict, arguments.shards)
        return
    if arguments.dataset == "squares":
        source = source or out / "source"
        squares.render(
            synth.Settings(arguments.clips, arguments.seed, tuple(arguments.soundfont)),
            source,
            arguments.workers,
        )
    if source is None:
        raise UserError(f"--dataset {arguments.dataset}: name the folder it is in with --source")
    report = Report(arguments.strict)
    files = SCANS[arguments.dataset](source, report)
    show(report, "files")
    workers, shards = arguments.workers, arguments.shards
    show(prepare(files, out, source, arguments.dataset, encoding, report, workers, shards), "clips")


def _parse() -> argparse.Namespace:
    parser = cli.parser(
        "Cut recordings into clips, encode them and write OUT/{train,valid,test,...}. A run that was killed "
        "continues when it is started again. Under `accelerate launch` all processes share the work.",
        "python experiments/prepare_data.py --dataset folder --source ~/Music --out data/mine",
    )
    parser.add_argument("--dataset", required=True, choices=["synth", *SCANS], help="what is in --source")
    parser.add_argument(
        "--source", help="folder of the recordings; for synth where to render them (OUT/source)"
    )
    parser.add_argument("--out", required=True, help="folder of the prepared data set")
    parser.add_argument("--codec", default="spectral", help="spectral, music2latent, or a fitted codec file")
    parser.add_argument("--strict", action="store_true", help="stop at the first file that is rejected")
    parser.add_argument("--shards", type=_positive, help="write WebDataset shards of so many clips instead")
    parser.add_argument("--workers", type=_positive, help="processes on this machine (all cores)")
    parser.add_argument("--clips", type=_positive, default=6000, help="synth: training clips, about")
    parser.add_argument("--seed", type=int, default=0, help="synth: the same seed gives the same bytes")
    parser.add_argument("--soundfont", action="append", default=[], help="synth: sf2 or sf3; repeatable")
    parser.add_argument(
        "--unseen-soundfont", action="append", default=[], help="synth: for the unseen split (as --soundfont)"
    )
    cli.add_device(parser)
    return parser.parse_args()


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


if __name__ == "__main__":
    cli.run(main)
