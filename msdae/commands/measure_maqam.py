"""Measure how often tonic, maqam and ornaments are found in rendered pieces with known answers."""

from collections.abc import Sequence

from tqdm import tqdm

from msdae import cli
from msdae.commands._arguments import add_tables, check_tables, show
from msdae.limits import SEED, Range

PIECES = Range(2, 10_000, reason="each takes seconds")


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "measure-maqam",
        "Render pieces in eight maqamat, of no training set, analyse them, and print how often tonic, maqam\n"
        "and ornaments are right: by the strongest frequencies and by pitch, from the whole and from\n"
        "the first and last third. A piece takes about two seconds of a core.",
        "--pieces 96 --out maqam.md",
    )
    parser.add_argument(
        "--pieces",
        type=cli.ranged(PIECES),
        default=96,
        help="number of pieces; with a multiple of 8 each maqam is equally frequent",
    )
    parser.add_argument("--seed", type=cli.ranged(SEED), default=0, help="seed that draws the pieces")
    add_tables(parser)
    options = parser.parse_args(argv)
    from msdae.analysis.maqam import accuracy

    check_tables(options)
    command = cli.command_line("measure-maqam", argv)
    results = accuracy.tables(accuracy.outcomes(options.pieces, options.seed, tqdm), command)
    show(results, options)
