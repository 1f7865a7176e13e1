"""Arguments that several commands have."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msdae import cli
from msdae.evaluation.swapbench.settings import CASES, RENDERED
from msdae.inference.settings import Sampling
from msdae.limits import SEED

if TYPE_CHECKING:
    from msdae.evaluation.swapbench.cases import Case
    from msdae.evaluation.tables import Table
    from msdae.inference.pipeline import Pipeline

FORMATS = "wav, flac, ogg, opus, mp3, aiff; m4a and others with the extra av"  # of recordings, for help


class Once(argparse.Action):
    """An option of which a second one is an error, where argparse would forget the first."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: Any = None):
        if getattr(namespace, self.dest) is not None:
            parser.error(f"{option} is given twice")
        setattr(namespace, self.dest, values)


def add_levels(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """--levels, those of the timbre source; by default all of the model."""
    usual = "" if default else "; by default all"
    parser.add_argument(
        "--levels",
        type=cli.numbers(int),
        default=default,
        metavar="K[,K]",
        help=f"levels that come from the timbre source, 1 (coarse) to 3 (fine){usual}",
    )


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


def add_tables(parser: argparse.ArgumentParser) -> None:
    """--out, the file for what `show` shows."""
    parser.add_argument("--out", type=Path, help="file for the tables: .md, .json or .csv")


def check_tables(options: argparse.Namespace) -> None:
    """Raise a UserError unless the file that --out names, if any, can be written."""
    from msdae.evaluation.tables import check_file

    if options.out:
        check_file(options.out)


def show(tables: "Sequence[Table]", options: argparse.Namespace) -> None:
    """Print tables, and write them to the file that --out names, if any."""
    from msdae.evaluation.tables import write

    print("\n\n".join(table.text() for table in tables))
    if options.out:
        write(options.out, tables)
        cli.note(f"wrote {options.out}")


def add_melodies(parser: argparse.ArgumentParser, split: str, cases: int) -> None:
    """The model, the melodies of SwapBench that it is measured on, and the file for the tables."""
    parser.add_argument("--split", choices=RENDERED, default=split, help="of SwapBench")
    parser.add_argument("--cases", type=cli.ranged(CASES), default=cases, help="monophonic melodies")
    parser.add_argument("--seed", type=cli.ranged(SEED), default=0, help="of the cases")
    add_tables(parser)
    cli.add_config(parser, Sampling, ("quality",))
    cli.add_model(parser)


def melodies(options: argparse.Namespace) -> "tuple[Pipeline, list[Case]]":
    """The model and the melodies that the options of `add_melodies` ask for; --out is checked before."""
    from msdae.evaluation.swapbench import cases
    from msdae.inference.pipeline import Pipeline

    check_tables(options)
    sampling = Sampling(quality=options.quality)
    pipeline = Pipeline.from_pretrained(options.checkpoint, options.device, sampling, options.codec)
    return pipeline, cases.plan(options.split, options.seed, {"monophonic": options.cases})
