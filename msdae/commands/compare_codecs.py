"""Compare codecs: what their round trips leave of notes, timbre and spectrum."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from msdae import cli, codecs
from msdae.evaluation import codecs as codec_comparison
from msdae.evaluation.swapbench.cases import CASES, SPLITS
from msdae.evaluation.tables import check_file, write
from msdae.limits import SEED


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "compare-codecs",
        "Send SwapBench's recordings through codecs, beside the untouched ones and a log-mel inverted by\n"
        "Griffin-Lim, and print tables of what is left.",
        "--codec spectral spectral-neural mine.safetensors",
    )
    parser.add_argument(
        "--codec",
        nargs="+",
        default=codecs.shipped(),
        metavar="[NAME=]CODEC",
        help="names or files, side by side",
    )
    parser.add_argument(
        "--cases", type=cli.ranged(CASES), default=200, help="of SwapBench; its single notes are left out"
    )
    parser.add_argument(
        "--split", choices=list(SPLITS), default="test", help="compared on beside the unseen one"
    )
    parser.add_argument("--seed", type=cli.ranged(SEED), default=0, help="of the recordings")
    parser.add_argument("--out", type=Path, help="file for the tables: .md, .json or .csv")
    options = parser.parse_args(argv)
    if options.out:
        check_file(options.out)
    loaded = {name: codecs.load(path) for name, path in cli.named(options.codec).items()}
    command = cli.command_line("compare-codecs", argv)
    tables = codec_comparison.compare(loaded, options.cases, options.seed, options.split, command, tqdm)
    print("\n\n".join(table.text() for table in tables))
    if options.out:
        write(options.out, tables)
