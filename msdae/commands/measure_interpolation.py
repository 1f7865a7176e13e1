"""Measure how steadily the timbre moves between two recordings."""

from collections.abc import Sequence

from tqdm import tqdm

from msdae import cli
from msdae.commands._arguments import add_melodies, melodies, show


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "measure-interpolation",
        "Render SwapBench melodies at 11 strengths of level 1 and print how steadily the timbre moves (rank "
        "correlation with the strength) and what the melody's note F1 does meanwhile.",
        "--split test --cases 36",
    )
    add_melodies(parser, "test", 36)
    options = parser.parse_args(argv)
    from msdae.evaluation.swapbench import interpolation
    from msdae.evaluation.swapbench.systems import Model

    pipeline, cases = melodies(options)
    courses = interpolation.courses(Model("model", pipeline), cases, progress=tqdm)
    command = cli.command_line("measure-interpolation", argv)
    tables = [
        make(courses, options.split, command) for make in (interpolation.table, interpolation.course_table)
    ]
    show(tables, options)
