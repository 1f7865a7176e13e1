"""Score checkpoints on SwapBench, and for the thesis's tables 1, 4 and 5."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from msdae import cli, folders
from msdae.evaluation.metrics.embeddings import EMBEDDINGS
from msdae.evaluation.swapbench import run as swapbench
from msdae.evaluation.swapbench.cases import SPLITS
from msdae.evaluation.swapbench.systems import BOUNDS
from msdae.inference.pipeline import Sampling
from msdae.locks import only_process
from msdae.nn.device import device


def main(argv: Sequence[str] | None = None) -> None:
    options = parser().parse_args(argv)
    data = options.data
    sampling = Sampling(options.steps, guidance=options.guidance, seed=options.seed)
    settings = swapbench.EvaluationConfig(
        tuple(dict.fromkeys(options.split)),
        options.cases,
        options.seed,
        sampling,
        options.embedding,
        options.report_cases,
        data and (data if (data / "manifest.json").exists() else data / "test"),
    )
    if options.sources:
        cases = swapbench.plan(settings)
        swapbench.write_sources(cases, options.sources, tqdm)
        print(f"wrote the sources of {len(cases)} cases to {options.sources}")
        return
    with only_process(options.out):
        _evaluate(options, settings, cli.command_line("evaluate", argv))


def _evaluate(options: argparse.Namespace, settings: swapbench.EvaluationConfig, command: str) -> None:
    reserved = (*BOUNDS, *swapbench.SOUNDS)
    short, _ = swapbench.evaluate(
        cli.named(options.checkpoint, reserved),
        options.out,
        settings,
        device(options.device),
        outputs=cli.named(options.outputs, reserved),
        command=command,
        codec=options.codec,
        progress=tqdm,
    )
    print("\n\n".join(table.text() for table in short))
    print("\nall tables:", options.out / "tables.md")
    if settings.splits:
        from msdae.evaluation.swapbench import report

        print("to see and hear:", report.write(options.out))


def parser() -> argparse.ArgumentParser:
    """The options of this command line."""
    parser = cli.parser(
        "evaluate",
        "Swap on rendered cases whose right answer is known and score every combination of swapped levels:\n"
        "melody (Basic Pitch), timbre (triplet network on MFCC), distance to the truth, FAD and KAD. Beside\n"
        "them stand both copies, the codec and the reconstruction. Killed and started again, the same line\n"
        "continues.",
        "--checkpoint embedded hdae=runs/hdae/stage1",
    )
    cli.add_checkpoints(parser, nargs="*")
    cli.add_codec(parser)
    parser.add_argument(
        "--outputs",
        nargs="+",
        default=[],
        metavar="NAME=FOLDER",
        help="recordings of another system, CASE.wav for each case of --sources",
    )
    parser.add_argument(
        "--sources",
        type=Path,
        metavar="FOLDER",
        help="only write the two sources of every case, for --outputs",
    )
    parser.add_argument(
        "--split", nargs="*", choices=list(SPLITS), default=["test", "unseen"], help="splits of SwapBench"
    )
    parser.add_argument("--cases", type=int, default=200, help="how many, over all splits")
    parser.add_argument("--seed", type=int, default=0, help="of the cases and of the sampler's noise")
    parser.add_argument("--steps", type=int, default=Sampling().steps, help="sampling steps, 1 or more")
    parser.add_argument(
        "--guidance",
        type=cli.numbers(float),
        metavar="W[,W,W]",
        help="guidance weight, one for all levels or one a level (default: what each checkpoint says)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="a prepared NSynth or Slakh2100, one cache or a folder with test/: Tables 1, 4 and 5 are of "
        "pairs of its clips",
    )
    parser.add_argument("--embedding", choices=EMBEDDINGS, default="embedded", help="of FAD and KAD")
    parser.add_argument("--report-cases", type=int, default=12, help="cases to listen to in the report")
    parser.add_argument("--out", type=Path, default=folders.runs() / "evaluate", help="results folder")
    cli.add_device(parser)
    return parser
