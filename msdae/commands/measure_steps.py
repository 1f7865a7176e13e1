"""Measure what fewer evaluations of the network cost."""

from collections.abc import Sequence

from tqdm import tqdm

from msdae import cli
from msdae.commands._arguments import add_samples, add_tables, check_tables, show
from msdae.evaluation.swapbench.settings import CASES, SPLITS, EvaluationConfig
from msdae.limits import SEED


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "measure-steps",
        "Swap SwapBench melodies by the model's student and by samplers of the model itself, in few steps\n"
        "and in many, with the same noise, and print how good they are over evaluations.",
        "--split valid --cases 48 --plot steps.svg",
    )
    parser.add_argument(
        "--students",
        nargs="+",
        default=[],
        metavar="[NAME=]FILE",
        help="further students of the model, written by distill.py",
    )
    parser.add_argument(
        "--split", nargs="+", choices=SPLITS, default=["test", "unseen"], help="splits of SwapBench"
    )
    parser.add_argument(
        "--cases", type=cli.ranged(CASES), default=48, help="number of monophonic melodies per split"
    )
    parser.add_argument(
        "--notes", type=cli.ranged(CASES), default=12, help="number of single notes per split"
    )
    parser.add_argument("--seed", type=cli.ranged(SEED), default=0, help="seed of the cases and of the noise")
    add_samples(parser, "the splits 'real' and 'real-valid'")
    add_tables(parser)
    cli.add_plot(parser, "the scores over evaluations")
    cli.add_model(parser)
    options = parser.parse_args(argv)
    from msdae.evaluation import figures
    from msdae.evaluation.swapbench import cases, steps
    from msdae.inference.pipeline import Pipeline
    from msdae.models.student import Student

    check_tables(options)
    if options.plot:
        figures.check_plot(options.plot)
    pipeline = Pipeline.from_pretrained(options.checkpoint, options.device, codec=options.codec)
    counts = {"monophonic": options.cases, cases.NOTE: options.notes}
    group = [case for split in options.split for case in cases.plan(split, options.seed, counts)]
    library = EvaluationConfig(splits=tuple(options.split), samples=tuple(options.samples)).library
    command = cli.command_line("measure-steps", argv)
    students = {steps.STUDENT: pipeline.student} if pipeline.student else {}
    for name, path in cli.named(options.students, students).items():
        students[name] = Student.load(path, pipeline.model)
    table = steps.measure(pipeline, group, steps.ways(students), options.seed, library, command, tqdm)
    show([table], options)
    if options.plot:
        figures.save(figures.curves(table, steps.COUNT, steps.PANELS), options.plot)
