"""Arguments that several commands share."""

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msdae import cli
from msdae.errors import UserError
from msdae.evaluation.swapbench.settings import CASES, RENDERED
from msdae.inference.settings import ALWAYS, AUTO, NEVER, SOUND, Sampling
from msdae.limits import LEARNING, LEARNING_SECONDS, SEED

if TYPE_CHECKING:
    from msdae.evaluation.swapbench.cases import Case
    from msdae.evaluation.tables import Table
    from msdae.inference.pipeline import Pipeline

FORMATS = "wav, flac, ogg, opus, mp3, aiff; m4a and others with the extra av"  # of recordings, for help


class Once(argparse.Action):
    """An option that is an error if it is given twice, where argparse would silently drop the first."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: Any = None):
        if getattr(namespace, self.dest) is not None:
            parser.error(f"{option} is given twice")
        setattr(namespace, self.dest, values)


def add_levels(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add --levels, the levels that come from the timbre source. default: None for all levels."""
    usual = "" if default else "; by default all"
    parser.add_argument(
        "--levels",
        type=cli.numbers(int),
        default=default,
        metavar="K[,K]",
        help=f"levels that come from the timbre source, 1 (coarse) to 3 (fine){usual}",
    )


def check_sampling(options: argparse.Namespace, levels: Collection[int], learnt: bool = False) -> None:
    """Raise a UserError where options of `add_sampling` ask for what is not done in a swap.

    levels: those that come from another source than the melody; none where nothing is swapped.
    learnt: whether level 1 is of a learnt sound.
    """
    if options.learn == ALWAYS and (learnt or 1 not in levels):
        raise UserError("--learn always: level 1 comes from no recording that could be learnt; leave it out")
    if options.dynamics == SOUND and 1 not in levels:
        raise UserError("--dynamics sound: level 1 comes from no other sound; leave it out")
    if options.transpose and set(levels) - {1}:
        raise UserError(
            "--transpose: moves levels 2 and 3 of the melody source; swap level 1 alone (--levels 1)"
        )


def add_learn(parser: argparse.ArgumentParser, about: str) -> None:
    """Add --learn, which is auto, never or a number of seconds. about: what is done for so many seconds."""
    parser.add_argument(
        "--learn",
        type=_learning,
        nargs="?",
        const=LEARNING_SECONDS,
        default=AUTO,
        metavar="{auto,never,SECONDS}",
        help="whether the source of level 1 is learnt first: auto (in a few seconds, if the model does not "
        f"know the sound) or never; with a number, {about}, for about so many seconds "
        f"({LEARNING_SECONDS:g} without a number)",
    )


def _learning(text: str) -> str | float:
    return text if text in (AUTO, NEVER) else cli.ranged(LEARNING, float)(text)


_learning.__name__ = "auto, never or seconds"


def seconds_to_learn(options: argparse.Namespace) -> float | None:
    """The seconds that --learn asks for, if any; `options.learn` then becomes a value of `Sampling.learn`."""
    if isinstance(options.learn, str):
        return None
    seconds, options.learn = options.learn, AUTO
    return seconds


def add_samples(parser: argparse.ArgumentParser, splits: str) -> None:
    """Add --samples. splits: names, for the help text, the splits of SwapBench that need them."""
    parser.add_argument(
        "--samples",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help=f"library of recorded samples for {splits} (repeatable; default: data/samples)",
    )


def add_tables(parser: argparse.ArgumentParser) -> None:
    """Add --out, the file to which `show` writes tables."""
    parser.add_argument("--out", type=Path, help="file to write the tables to: .md, .json or .csv")


def check_tables(options: argparse.Namespace) -> None:
    """Raise a UserError if --out names a file that cannot be written."""
    from msdae.evaluation.tables import check_file

    if options.out:
        check_file(options.out)


def show(tables: "Sequence[Table]", options: argparse.Namespace) -> None:
    """Print tables, and write them to the file --out if it is given."""
    from msdae.evaluation.tables import write

    print("\n\n".join(table.text() for table in tables))
    if options.out:
        write(options.out, tables)
        cli.note(f"wrote {options.out}")


def add_melodies(parser: argparse.ArgumentParser, split: str, cases: int) -> None:
    """Add options for the model, for the melodies of SwapBench that it is measured on, and --out.

    split, cases: defaults of --split and --cases.
    """
    parser.add_argument("--split", choices=RENDERED, default=split, help="split of SwapBench")
    parser.add_argument(
        "--cases", type=cli.ranged(CASES), default=cases, help="number of monophonic melodies"
    )
    parser.add_argument("--seed", type=cli.ranged(SEED), default=0, help="seed that draws the cases")
    add_tables(parser)
    cli.add_config(parser, Sampling, ("quality",))
    cli.add_model(parser)


def melodies(options: argparse.Namespace) -> "tuple[Pipeline, list[Case]]":
    """The model and the melodies that the options of `add_melodies` ask for.

    Raises:
        UserError: --out cannot be written, or as `Pipeline.from_pretrained` and `cases.plan`.
    """
    from msdae.evaluation.swapbench import cases
    from msdae.inference.pipeline import Pipeline

    check_tables(options)
    sampling = Sampling(quality=options.quality)
    pipeline = Pipeline.from_pretrained(options.checkpoint, options.device, sampling, options.codec)
    return pipeline, cases.plan(options.split, options.seed, {"monophonic": options.cases})
