"""Measure how fast this machine trains and swaps."""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from msdae import cli, config, folders
from msdae.codecs import CODECS
from msdae.commands._arguments import add_tables, check_tables, show

if TYPE_CHECKING:
    import torch

    from msdae.evaluation.tables import Table
    from msdae.inference.pipeline import Pipeline
    from msdae.training.autoencoder import TrainConfig

TRAINING = [  # preset, stage, clips in a batch
    ("small", 1, 32),
    ("small", 2, 32),
    ("small", 3, 32),
    ("hdae", 3, 32),
    ("thesis", 3, 8),
    ("released", 3, 8),
]
PARTS = ("training", "loop", "swap", "profile")
SECONDS = (10, 60)  # of the recordings whose swaps are timed
PROFILED = (5, 60)  # seconds of the recordings whose swaps are profiled
STEPS = 8  # measured steps of the training loop


def main(argv: Sequence[str] | None = None) -> None:
    options = parser().parse_args(argv)
    import torch

    from msdae.inference.pipeline import Pipeline
    from msdae.nn.device import device

    check_tables(options)
    place, parts = device(options.device), options.only or PARTS
    machine = f"{torch.get_num_threads()} threads, device {place}, torch {torch.__version__}"
    note = f"{machine}; medians of {options.rounds} rounds."
    command = cli.command_line("benchmark", argv)
    measured = []
    if "training" in parts:
        measured.append(training(options.rounds, place, note, command))
    if "loop" in parts:
        measured.append(loops(f"{machine}; medians of {STEPS} steps.", command))
    if "swap" in parts:
        pipeline = Pipeline.from_pretrained(options.checkpoint, options.device, codec=options.codec)
        measured.append(swaps(pipeline, options.rounds, note, command))
    if "profile" in parts:
        measured.append(profiles(options, note, command))
    show(measured, options)


def parser() -> argparse.ArgumentParser:
    """The options of this command line."""
    parser = cli.parser(
        "benchmark",
        "Time training steps and swaps, taking turns, beside the configuration that was published, and\n"
        "print medians, how much of a step is not the network, and where the time of a swap goes.",
        "--rounds 5",
    )
    parser.add_argument("--rounds", type=cli.positive, default=5, help="measured rounds, after a warm-up")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="run only these parts")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FOLDER",
        help="checkout of another version to profile beside this one",
    )
    parser.add_argument(
        "--clock",
        choices=("wall", "processor"),
        default="wall",
        help="clock of the profile; processor counts CPU time only, which other processes disturb less",
    )
    cli.add_model(parser)
    add_tables(parser)
    return parser


def training(rounds: int, device: "torch.device", note: str, command: str) -> "Table":
    """A table of the size, cost and speed of a training step for each case of `TRAINING`."""
    from msdae.evaluation import speed
    from msdae.evaluation.tables import Table, Value

    models = {case: preset_model(*case[:2]) for case in TRAINING}
    steps = {case: speed.training_step(model, case[2], device) for case, model in models.items()}
    medians = speed.medians(steps, rounds)
    peer = next(case[2] / seconds for case, seconds in medians.items() if case[0] == speed.PUBLISHED)
    rows = []
    for case, seconds in medians.items():
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
                Value(batch / seconds / peer, digits=1),
            )
        )
    header = ("preset", "clips a step", "M parameters", "GFLOP a step", "MB", "clips/s ↑", "times released ↑")
    return Table("Training speed", header, tuple(rows), note, command)


def loops(note: str, command: str) -> "Table":
    """A table of the training loop's speed, and the share of a step outside the network, by `TRAINING`."""
    from msdae.evaluation import loop_speed
    from msdae.evaluation.tables import Table, Value

    rows = []
    for preset, stage, batch in tqdm(TRAINING, unit="case"):
        settings = dataclasses.replace(preset_settings(preset), batch_size=batch)
        step = loop_speed.measure(settings.kind_of(), stage, settings, STEPS)
        speed, rest = Value(batch / step.seconds, digits=1), Value(step.rest, digits=1, percent=True)
        rows.append((f"{preset}, stage {stage}", str(batch), speed, rest))
    header = ("preset", "clips a step", "clips/s ↑", "not the network, % ↓")
    note = f"{note} With contrast and views, from a cache on disk."
    return Table("Training in its loop", header, tuple(rows), note, command)


def swaps(pipeline: "Pipeline", rounds: int, note: str, command: str) -> "Table":
    """A table of how long swaps of `SECONDS` take: by the model's student if it has one, by the model itself,
    and by the published configuration."""
    from msdae.evaluation import speed
    from msdae.evaluation.tables import Table, Value
    from msdae.inference.pipeline import Pipeline, Sampling
    from msdae.inference.settings import ALWAYS, BEST, NEVER

    published = speed.published(pipeline.codec)
    published.model.to(pipeline.device)
    settings = {
        "of a known sound": Sampling(learn=NEVER),
        "of an unknown one": Sampling(learn=ALWAYS),
        "by the model itself": Sampling(quality=BEST, learn=NEVER),
    }
    ways = {name: Pipeline(pipeline.model, pipeline.codec, sampling) for name, sampling in settings.items()}
    ways[speed.PUBLISHED] = published
    cases = {(length, name): speed.swap(way, length) for length in SECONDS for name, way in ways.items()}
    medians = speed.medians(cases, rounds)
    rows = []
    for (seconds, name), took in medians.items():
        times = medians[seconds, speed.PUBLISHED] / took
        numbers = ((took, 2), (seconds / took, 1), (times, 1))
        cells = (Value(number, digits=digits) for number, digits in numbers)
        rows.append((f"{seconds} s of sound, {name}", *cells))
    header = ("swap", "seconds", "times real time ↑", "times as fast as released ↑")
    note = (
        f"{note} Both sources are that long. released: {speed.published.__doc__.partition('.')[0].lower()}, "
        "over the same codec."
    )
    return Table("Swap speed", header, tuple(rows), note, command)


def profiles(options: argparse.Namespace, note: str, command: str) -> "Table":
    """A table of where the time of swaps of `PROFILED` seconds goes, in cold processes."""
    from msdae.evaluation import profile

    checkouts = {"now": folders.CHECKOUT} | ({"before": options.against} if options.against else {})
    chosen = {"checkpoint": _anywhere(options.checkpoint), "codec": _anywhere(options.codec)}
    chosen |= {"device": options.device, "threads": options.threads}
    given = [word for name, value in chosen.items() if value for word in (f"--{name}", str(value))]
    measured = profile.swaps(checkouts, PROFILED, options.rounds, given, options.clock, tqdm)
    return profile.table(measured, f"Seconds by the {options.clock}'s clock. {note}", command)


def _anywhere(given: str | None) -> str | None:
    """A model or codec as a process in another folder can find it: files and folders get absolute paths."""
    named = given is None or given == "embedded" or given in CODECS
    return given if named or not Path(given).exists() else str(Path(given).absolute())


def preset_model(preset: str, stage: int) -> "torch.nn.Module":
    """The model of a stage that the configuration `preset` describes, with initial weights."""
    from msdae.models.autoencoder import build

    settings = preset_settings(preset)
    return build(settings.kind_of(), settings.model, stage)


def preset_settings(preset: str) -> "TrainConfig":
    """The settings of the configuration `preset`."""
    from msdae.training.autoencoder import TrainConfig

    return config.load(TrainConfig, folders.configs() / f"{preset}.yaml")
