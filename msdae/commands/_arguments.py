"""Arguments that several commands have."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msdae import cli
from msdae.evaluation.swapbench.settings import CASES, RENDERED
from msdae.inference.settings import Sampling
from msdae.limits import SEED

if TYPE_CHECKING:
    from msdae.evaluation.swapbench.cases import Case
    from msdae.inference.pipeline import Pipeline

FORMATS = "wav, flac, ogg, opus, mp3, aiff; m4a and others with the extra av"  # of recordings, for help


class Once(argparse.Action):
    """An option of which a second one is an error, where argparse would forget the first."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: Any = None):
        if getattr(namespace, self.dest) is not None:
            parser.error(f"{option} is given twice")
        setattr(namespace, self.dest, values)


def add_samples(parser: argparse.ArgumentParser, splits: str) -> None:
    """--samples, for the `splits` of SwapBench, in words."""
    parser.add_argument(
        "--samples",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help=f"library of recorded samples for {splits} (repeatable); by default data/samples",
    )


def add_melodies(parser: argparse.ArgumentParser, split: str, cases: int, tables: str) -> None:
    """The model, the melodies of SwapBench that it is measured on, and the file for the `tables`."""
    parser.add_argument("--checkpoint", default="embedded", help="embedded, a file, a folder or a hub id")
    parser.add_argument("--split", choices=RENDERED, default=split, help="of SwapBench")
    parser.add_argument("--cases", type=cli.ranged(CASES), default=cases, help="monophonic melodies")
    parser.add_argument("--seed", type=cli.ranged(SEED), default=0, help="of the cases")
    parser.add_argument("--out", type=Path, help=f"file for the {tables}: .md, .json or .csv")
    cli.add_config(parser, Sampling, ("quality",))
    cli.add_codec(parser)
    cli.add_device(parser)


def melodies(options: argparse.Namespace) -> "tuple[Pipeline, list[Case]]":
    """The model and the melodies that the options of `add_melodies` ask for; --out is checked before."""
    from msdae.evaluation.swapbench import cases
    from msdae.evaluation.tables import check_file
    from msdae.inference.pipeline import Pipeline

    if options.out:
        check_file(options.out)
    sampling = Sampling(quality=options.quality)
    pipeline = Pipeline.from_pretrained(options.checkpoint, options.device, sampling, options.codec)
    return pipeline, cases.plan(options.split, options.seed, {"monophonic": options.cases})
