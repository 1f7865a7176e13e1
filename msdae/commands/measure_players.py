"""Measure which plain sound swaps best where the melody source is a score."""

from collections.abc import Sequence

from tqdm import tqdm

from msdae import cli
from msdae.commands._arguments import add_melodies, melodies, show


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "measure-players",
        "Play SwapBench melodies by each plain sound there is, swap them and print melody F1 and timbre.",
        "--split valid --cases 48 --out players.json",
    )
    add_melodies(parser, "valid", 48)
    options = parser.parse_args(argv)
    from msdae.evaluation.swapbench.players import measure

    table = measure(*melodies(options), command=cli.command_line("measure-players", argv), progress=tqdm)
    show([table], options)
