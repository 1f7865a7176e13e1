"""Measure how fast this machine trains and swaps."""

from collections.abc import Sequence
from pathlib import Path

import torch

from msdae import cli, config, folders
from msdae.evaluation import speed
from msdae.evaluation.tables import Table, Value, check_file, write
from msdae.inference.pipeline import Pipeline
from msdae.models.autoencoder import build
from msdae.nn.device import device
from msdae.training.autoencoder import TrainConfig

TRAINING = [  # preset, stage, clips in a batch
    ("small", 1, 32),
    ("small", 2, 32),
    ("small", 3, 32),
    ("hdae", 3, 32),
    ("thesis", 3, 8),
    ("released", 3, 8),
]
SECONDS = (10, 60)


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "benchmark",
        "Time training steps and swaps, taking turns, and print medians.",
        "--rounds 5",
    )
    parser.add_argument(
        "--rounds", type=cli.positive, default=5, help="measured rounds, after one that warms up"
    )
    parser.add_argument("--only", choices=["training", "swap"], help="leave the other out")
    parser.add_argument("--checkpoint", default="embedded", help="model of the swaps")
    cli.add_codec(parser)
    cli.add_device(parser)
    parser.add_argument("--out", type=Path, help="file for the tables: .md, .json or .csv")
    options = parser.parse_args(argv)
    if options.out:
        check_file(options.out)
    place = device(options.device)
    threads, version = torch.get_num_threads(), torch.__version__
    note = f"{threads} threads, device {place}, torch {version}; medians of {options.rounds} rounds."
    command = cli.command_line("benchmark", argv)
    measured = []
    if options.only != "swap":
        measured.append(training(options.rounds, place, note, command))
    if options.only != "training":
        pipeline = Pipeline.from_pretrained(options.checkpoint, options.device, codec=options.codec)
        measured.append(swaps(pipeline, options.rounds, note, command))
    print("\n\n".join(table.text() for table in measured))
    if options.out:
        write(options.out, measured)


def training(rounds: int, device: torch.device, note: str, command: str) -> Table:
    """Size, cost and speed of a training step for each case of `TRAINING`."""
    models = {case: preset_model(*case[:2]) for case in TRAINING}
    steps = {case: speed.training_step(model, case[2], device) for case, model in models.items()}
    rows = []
    for case, seconds in speed.medians(steps, rounds).items():
        preset, stage, batch = case
        cost = speed.summarize(models[case], batch, frames=32)
        rows.append(
            (
                f"{preset}, stage {stage}",
                str(batch),
                Value(cost["parameters"]["total"] / 1e6, digits=1),
                Value(cost["flops"] / 1e9, digits=0),
                Value(sum(cost["memory"].values()) / 1e6, digits=0),
                Value(batch / seconds, digits=1),
            )
        )
    header = ("preset", "clips a step", "M parameters", "GFLOP a step", "MB", "clips/s ↑")
    return Table("Training speed", header, tuple(rows), note, command)


def swaps(pipeline: Pipeline, rounds: int, note: str, command: str) -> Table:
    """How long swaps of `SECONDS` take."""
    cases = {seconds: speed.swap(pipeline, seconds) for seconds in SECONDS}
    rows = tuple(
        (f"{seconds} s of sound", Value(taken, digits=2), Value(seconds / taken, digits=1))
        for seconds, taken in speed.medians(cases, rounds).items()
    )
    return Table("Swap speed", ("swap", "seconds", "times real time ↑"), rows, note, command)


def preset_model(preset: str, stage: int) -> torch.nn.Module:
    """The model that a configuration describes, with its initial weights."""
    kind = "hdae" if preset == "hdae" else "msdae"
    return build(kind, config.load(TrainConfig, folders.configs() / f"{preset}.yaml").model, stage)
