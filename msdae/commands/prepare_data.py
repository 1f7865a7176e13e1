"""Prepare a data set for training: scan, report, encode, write caches or shards."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from msdae import cli, codecs, config
from msdae.audio.mel import MelConfig
from msdae.data.encode import Encoding
from msdae.data.prepare import prepare
from msdae.data.report import Report
from msdae.data.sets import folder, nsynth, slakh
from msdae.data.sets import rendered as synth
from msdae.data.sets.embedded import CLIPS, MADE, make, show
from msdae.errors import UserError
from msdae.nn.device import device

SCANS = {"nsynth": nsynth.scan, "slakh": slakh.scan, "folder": folder.scan}


def main(argv: Sequence[str] | None = None) -> None:
    arguments = _parse(argv)
    out, source = Path(arguments.out), arguments.source and Path(arguments.source)
    encoding = Encoding(arguments.codec, _mel(arguments.config), str(device(arguments.device)))
    workers, shards = arguments.workers, arguments.shards
    if arguments.dataset in MADE:
        fonts, unseen = tuple(arguments.soundfont), tuple(arguments.unseen_soundfont)
        clips = arguments.clips or CLIPS[arguments.dataset]
        settings = synth.Settings(clips, arguments.seed, fonts, unseen)
        make(arguments.dataset, out, settings, encoding, source, workers, arguments.strict, shards)
        return
    if source is None:
        raise UserError(f"--dataset {arguments.dataset}: name the folder it is in with --source")
    report = Report(arguments.strict)
    files = SCANS[arguments.dataset](source, report)
    show(report, "files")
    show(prepare(files, out, source, arguments.dataset, encoding, report, workers, shards), "clips")


def _mel(path: Path | None) -> MelConfig:
    """The mel of the model that the YAML file configures, or the default one."""
    if path is None:
        return MelConfig()
    from msdae.training.autoencoder import TrainConfig

    return config.load(TrainConfig, path).model.mel


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(
        "prepare-data",
        "Cut recordings into clips, encode them and write OUT/{train,valid,test,...}. A run that was killed "
        "continues when it is started again. Under `accelerate launch` all processes share the work.",
        "--dataset folder --source ~/Music --out data/mine",
    )
    parser.add_argument("--dataset", required=True, choices=[*MADE, *SCANS], help="what is in --source")
    parser.add_argument(
        "--source", help="folder of the recordings; synth, squares: where to render them (OUT/source)"
    )
    parser.add_argument("--out", required=True, help="folder of the prepared data set")
    names = ", ".join(codecs.CODECS)
    parser.add_argument("--codec", default=codecs.DEFAULT, help=f"{names}, or a trained codec's file")
    parser.add_argument("--strict", action="store_true", help="stop at the first file that is rejected")
    parser.add_argument("--shards", type=_positive, help="write WebDataset shards of so many clips instead")
    parser.add_argument("--workers", type=_positive, help="processes on this machine (all cores)")
    parser.add_argument("--config", type=Path, help="YAML of the model that it is for, where its mel differs")
    parser.add_argument("--clips", type=_positive, help="synth, squares: training clips, about (6000, 3000)")
    parser.add_argument("--seed", type=int, default=0, help="synth, squares: the same gives the same bytes")
    parser.add_argument(
        "--soundfont", action="append", default=[], help="synth, squares: sf2 or sf3; repeatable"
    )
    parser.add_argument(
        "--unseen-soundfont", action="append", default=[], help="synth: for the unseen split (as --soundfont)"
    )
    cli.add_device(parser)
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value
