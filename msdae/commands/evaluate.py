"""Score checkpoints on SwapBench, and for the thesis's tables 1, 4 and 5."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from msdae import cli, files, folders, locks
from msdae.commands._arguments import add_learn, add_samples, seconds_to_learn
from msdae.evaluation.metrics.embeddings import EMBEDDINGS
from msdae.evaluation.swapbench.settings import SPLITS, EvaluationConfig
from msdae.inference.settings import Sampling


def main(argv: Sequence[str] | None = None) -> None:
    options = parser().parse_args(argv)
    from msdae.evaluation import tables
    from msdae.evaluation.swapbench import report
    from msdae.evaluation.swapbench import run as swapbench

    data, seconds = options.data, seconds_to_learn(options)
    settings = cli.configured(
        EvaluationConfig,
        options,
        splits=tuple(dict.fromkeys(options.split)),
        sampling=cli.configured(Sampling, options),
        learn=seconds,
        samples=tuple(options.samples),
        data=data and (data if (data / "manifest.json").exists() else data / "test"),
    )
    if options.pairs:
        _pairs(options, settings, cli.command_line("evaluate", argv))
        return
    if options.sources:
        cases = swapbench.plan(settings)
        swapbench.write_sources(cases, options.sources, settings.library, tqdm)
        print(f"wrote the sources of {len(cases)} cases to {options.sources}")
        return
    files.make_folder(options.out)
    for name in (*tables.FILES, report.PAGE):
        files.check_replaceable(options.out / name)
    with locks.only_process(options.out):
        _evaluate(options, settings, cli.command_line("evaluate", argv))


def _pairs(options: argparse.Namespace, settings: EvaluationConfig, command: str) -> None:
    """Score on the pairs of recordings in the folder --pairs."""
    from msdae.evaluation import tables
    from msdae.evaluation.swapbench import recordings
    from msdae.evaluation.swapbench import run as swapbench
    from msdae.nn.device import device

    group = recordings.pairs(options.pairs)
    folder = options.out / recordings.FOLDER
    files.make_folder(folder)
    for name in tables.FILES:
        files.check_replaceable(folder / name)
    with locks.only_process(folder):
        _say_how_long(options, settings, len(group))
        models = cli.named(options.checkpoint, recordings.RESERVED)
        pipelines = swapbench.load(models, device(options.device), settings.sampling, options.codec)
        codec = swapbench.shared_codec(pipelines, options.codec, device(options.device))
        outputs = cli.named(options.outputs, recordings.RESERVED)
        table = recordings.evaluate(group, pipelines, codec, folder, outputs, settings.learn, command, tqdm)
        tables.write_folder(folder, [table])
    print(table.text())
    print("\nthe table and all outputs:", folder)


def _say_how_long(options: argparse.Namespace, settings: EvaluationConfig, count: int) -> None:
    if settings.learn is not None and (sounds := count * len(options.checkpoint)):
        minutes = math.ceil(sounds * settings.learn / 60)
        print(f"{sounds} sounds are learnt: about {minutes} min, less if some are known")


def _evaluate(options: argparse.Namespace, settings: EvaluationConfig, command: str) -> None:
    from msdae.evaluation.swapbench import report
    from msdae.evaluation.swapbench import run as swapbench
    from msdae.evaluation.swapbench.cases import counts
    from msdae.evaluation.swapbench.systems import BOUNDS, UNTAUGHT
    from msdae.nn.device import device

    reserved = (*BOUNDS, *UNTAUGHT, *swapbench.SOUNDS)
    if settings.learn is not None and settings.splits:
        shares = counts(settings.splits, settings.cases)
        _say_how_long(options, settings, sum(sum(textures.values()) for textures in shares.values()))
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
        help="recordings of another system: CASE.wav for each case of --sources",
    )
    parser.add_argument(
        "--sources",
        type=Path,
        metavar="FOLDER",
        help="write the two sources of every case to this folder and stop, for --outputs",
    )
    parser.add_argument(
        "--split", nargs="*", choices=SPLITS, default=["test", "unseen"], help="splits of SwapBench to score"
    )
    _add_real(parser)
    choices = {"embedding": EMBEDDINGS}
    shown = ("cases", "seed", "embedding", "report_cases")
    cli.add_config(parser, EvaluationConfig, shown, choices)
    cli.add_config(
        parser,
        Sampling,
        ("quality", "dynamics", "transcription", "voices", "steps", "guidance", "antithetic"),
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="prepared NSynth or Slakh2100 (a cache, or a folder with test/), from pairs of whose clips "
        "Tables 1, 4 and 5 are made",
    )
    parser.add_argument("--out", type=Path, default=folders.runs() / "evaluate", help="folder of the results")
    cli.add_device(parser)
    return parser


def _add_real(parser: argparse.ArgumentParser) -> None:
    """Add the options for real instruments and recordings."""
    add_samples(parser, "the splits 'real' and 'real-valid'")
    add_learn(parser, "one more row, for which each is learnt")
    parser.add_argument(
        "--pairs",
        type=Path,
        metavar="FOLDER",
        help="score pairs of your own instead, without a right answer: timbre/NAME.wav and melody/NAME.wav "
        "or melody/NAME.mid, and NAME.wav in the folders of --outputs",
    )
