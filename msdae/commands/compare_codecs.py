"""Compare codecs: what their round trips leave of notes, timbre and spectrum."""

from collections.abc import Sequence

from tqdm import tqdm

from msdae import cli, codecs
from msdae.commands._arguments import add_samples, add_tables, check_tables, show
from msdae.evaluation.swapbench.settings import CASES, SPLITS
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
        action="extend",
        metavar="[NAME=]CODEC",
        help="codec name or file to compare (repeatable; default: those that ship)",
    )
    parser.add_argument(
        "--cases",
        type=cli.ranged(CASES),
        default=200,
        help="number of SwapBench cases; its single notes are left out",
    )
    parser.add_argument(
        "--split",
        choices=SPLITS,
        default="test",
        help="split to encode, together with 'unseen'; 'real' is encoded alone",
    )
    add_samples(parser, "the splits 'real' and 'real-valid'")
    parser.add_argument("--seed", type=cli.ranged(SEED), default=0, help="seed that draws the recordings")
    add_tables(parser)
    options = parser.parse_args(argv)
    from msdae.evaluation import codecs as codec_comparison
    from msdae.evaluation.swapbench import real

    check_tables(options)
    named = cli.named(options.codec or codecs.shipped(), codec_comparison.RESERVED)
    loaded = {name: codecs.load(path) for name, path in named.items()}
    recorded = options.split in real.SPLITS
    library = real.library(tuple(options.samples), (options.split,)) if recorded else None
    command = cli.command_line("compare-codecs", argv)
    tables = codec_comparison.compare(
        loaded, options.cases, options.seed, options.split, command, tqdm, library
    )
    show(tables, options)
