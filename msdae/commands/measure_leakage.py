"""Measure what each code tells of what another should hold."""

from collections.abc import Sequence

from tqdm import tqdm

from msdae import cli
from msdae.commands._arguments import add_tables, check_tables, show
from msdae.evaluation.swapbench.settings import CASES
from msdae.limits import SEED


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "measure-leakage",
        "Render melodies of SwapBench as they are, transposed, at another tempo and by another instrument,\n"
        "and print what linear probes tell of instrument, pitch and tempo from each code and from all, how\n"
        "alike the codes of a melody stay when one of the three changes, and what they tell of the change.",
        "--checkpoint embedded hdae=runs/hdae/stage1 --out leakage.json",
    )
    cli.add_checkpoints(parser)
    parser.add_argument(
        "--cases",
        type=cli.ranged(CASES),
        default=200,
        help="numbers of melodies to fit and to score probes on",
    )
    parser.add_argument("--seed", type=cli.ranged(SEED), default=0, help="seed that draws the melodies")
    add_tables(parser)
    cli.add_codec(parser)
    cli.add_device(parser)
    options = parser.parse_args(argv)
    from msdae.analysis import leakage
    from msdae.inference.pipeline import Pipeline

    check_tables(options)
    pipelines = {
        name: Pipeline.from_pretrained(path, options.device, codec=options.codec)
        for name, path in cli.named(options.checkpoint).items()
    }
    drawn = [leakage.melodies(split, options.cases, options.seed) for split in ("valid", "test")]
    rendered = [leakage.render(melodies, tqdm) for melodies in drawn]
    command, tables = cli.command_line("measure-leakage", argv), []
    for name, pipeline in pipelines.items():
        fit, test = (
            leakage.Renditions(melodies, leakage.codes(pipeline, waveforms))
            for melodies, waveforms in zip(drawn, rendered, strict=True)
        )
        tables += leakage.tables(name, fit, test, command)
    show(tables, options)
