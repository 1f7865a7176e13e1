"""Measure which plain sound swaps best where the melody source is a score."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from msdae import cli
from msdae.evaluation.swapbench import cases
from msdae.evaluation.swapbench.players import measure
from msdae.evaluation.tables import check_file, write
from msdae.inference.pipeline import Pipeline
from msdae.limits import SEED


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "measure-players",
        "Play SwapBench melodies by each plain sound there is, swap them and print melody F1 and timbre.",
        "--split valid --cases 48 --out players.json",
    )
    parser.add_argument("--checkpoint", default="embedded", help="embedded, a file, a folder or a hub id")
    parser.add_argument("--split", choices=list(cases.SPLITS), default="valid", help="of SwapBench")
    parser.add_argument("--cases", type=cli.ranged(cases.CASES), default=48, help="monophonic melodies")
    parser.add_argument("--seed", type=cli.ranged(SEED), default=0, help="of the cases")
    parser.add_argument("--out", type=Path, help="file for the table: .md, .json or .csv")
    cli.add_codec(parser)
    cli.add_device(parser)
    options = parser.parse_args(argv)
    if options.out:
        check_file(options.out)
    pipeline = Pipeline.from_pretrained(options.checkpoint, options.device, codec=options.codec)
    drawn = cases.plan(options.split, options.seed, {"monophonic": options.cases})
    table = measure(pipeline, drawn, command=cli.command_line("measure-players", argv), progress=tqdm)
    print(table.text())
    if options.out:
        write(options.out, [table])
