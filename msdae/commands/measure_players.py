"""Measure how a score is played best where it is the melody source."""

from collections.abc import Sequence

from tqdm import tqdm

from msdae import cli
from msdae.commands._arguments import add_melodies, melodies, show
from msdae.progress import muted


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "measure-players",
        "Play SwapBench melodies by each plain sound there is, and as many with several notes at once in\n"
        "one to four voices; swap them and print melody F1 and timbre.",
        "--split valid --cases 48 --out players.json",
    )
    add_melodies(parser, "valid", 48)
    options = parser.parse_args(argv)
    from msdae.evaluation.swapbench import cases
    from msdae.evaluation.swapbench.players import measure, measure_voices

    pipeline, group = melodies(options)
    chords = options.cases // 2
    textures = {"two voices": options.cases - chords, "polyphonic": chords}
    several = cases.plan(options.split, options.seed, textures)
    facts = {"command": cli.command_line("measure-players", argv), "progress": tqdm}
    with muted("msdae.inference"):  # a note for each sound that is new to the model
        tables = [measure(pipeline, group, **facts), measure_voices(pipeline, several, **facts)]
    show(tables, options)
