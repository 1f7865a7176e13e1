"""Measure how fast this machine trains and swaps."""

from collections.abc import Sequence

import torch

from msdae import cli, config, folders
from msdae.evaluation import accounting
from msdae.evaluation import speed as benchmark
from msdae.inference.pipeline import Pipeline
from msdae.models.hdae import HDAE
from msdae.models.msdae import MSDAE
from msdae.nn.device import device
from msdae.training.loop import TrainConfig

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
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds, after one that warms up")
    parser.add_argument("--only", choices=["training", "swap"], help="leave the other out")
    parser.add_argument("--checkpoint", default="embedded", help="model of the swaps")
    cli.add_device(parser)
    options = parser.parse_args(argv)
    place = device(options.device)
    print(f"{torch.get_num_threads()} threads, device {place}, torch {torch.__version__}")
    if options.only != "swap":
        time_training(options.rounds, place)
    if options.only != "training":
        pipeline = Pipeline.from_pretrained(options.checkpoint, options.device)
        cases = {seconds: benchmark.swap(pipeline, seconds) for seconds in SECONDS}
        print("swap: s of audio, s taken, times real time")
        for seconds, taken in benchmark.medians(cases, options.rounds).items():
            print(f"{seconds:8} {taken:8.2f} {seconds / taken:8.1f}")


def time_training(rounds: int, device: torch.device) -> None:
    """Print size, cost and speed of a training step for each case of `TRAINING`."""
    models = {case: build(*case[:2]) for case in TRAINING}
    steps = {case: benchmark.training_step(model, case[2], device) for case, model in models.items()}
    print("training: preset stage batch | M parameters (U-Net) | GFLOP and MB a step | clips/s")
    for case, taken in benchmark.medians(steps, rounds).items():
        preset, stage, batch = case
        cost = accounting.summarize(models[case], batch, frames=32)
        sizes = [cost["parameters"][part] / 1e6 for part in ("total", "unet")]
        print(
            f"{preset:10} {stage} {batch:4} | {sizes[0]:6.1f} ({sizes[1]:.1f}) | "
            f"{cost['flops'] / 1e9:6.0f} {sum(cost['memory'].values()) / 1e6:6.0f} | {batch / taken:8.1f}"
        )


def build(preset: str, stage: int) -> torch.nn.Module:
    """The model that a configuration describes, with its initial weights."""
    kind = HDAE if preset == "hdae" else MSDAE
    return kind(config.load(TrainConfig, folders.configs() / f"{preset}.yaml").model, stage)
