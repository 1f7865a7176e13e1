"""Measure how steadily the timbre moves between two recordings."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from msdae import cli
from msdae.evaluation.swapbench.settings import CASES, SPLITS
from msdae.limits import SEED


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "measure-interpolation",
        "Render SwapBench melodies at 11 strengths of level 1 and print how steadily the timbre moves (rank "
        "correlation with the strength) and what the melody's note F1 does meanwhile.",
        "--split test --cases 36",
    )
    parser.add_argument("--checkpoint", default="embedded", help="embedded, a file, a folder or a hub id")
    parser.add_argument("--split", choices=SPLITS, default="test", help="of SwapBench")
    parser.add_argument("--cases", type=cli.ranged(CASES), default=36, help="monophonic melodies")
    parser.add_argument("--seed", type=cli.ranged(SEED), default=0, help="of the cases")
    parser.add_argument("--out", type=Path, help="file for the tables: .md, .json or .csv")
    cli.add_codec(parser)
    cli.add_device(parser)
    options = parser.parse_args(argv)
    from msdae.evaluation.swapbench import cases, interpolation
    from msdae.evaluation.swapbench.systems import Model
    from msdae.evaluation.tables import check_file, write
    from msdae.inference.pipeline import Pipeline

    if options.out:
        check_file(options.out)
    pipeline = Pipeline.from_pretrained(options.checkpoint, options.device, codec=options.codec)
    drawn = cases.plan(options.split, options.seed, {"monophonic": options.cases})
    courses = interpolation.courses(Model("model", pipeline), drawn, progress=tqdm)
    command = cli.command_line("measure-interpolation", argv)
    tables = [
        make(courses, options.split, command) for make in (interpolation.table, interpolation.course_table)
    ]
    print("\n\n".join(table.text() for table in tables))
    if options.out:
        write(options.out, tables)
