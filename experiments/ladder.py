"""Recipes of training side by side: the same networks, data and steps, measured on the validation split."""

import argparse
import dataclasses
import shlex
import sys
from pathlib import Path

from msdae import audio, cli, config
from msdae.checkpoint import atomic
from msdae.evaluation import quick
from msdae.models import Autoencoder
from msdae.runs import stage_folder, train_stage
from msdae.tables import Table
from msdae.training import TrainConfig

CONFIGS = Path(__file__).parent / "configs"
RECIPES = ("same-clip", "cross-excerpt", "perturbed-content", "small")


def main() -> None:
    arguments = _parse()
    if arguments.out:
        audio.check_folder(arguments.out)
    recipes = {name: config.load(TrainConfig, CONFIGS / f"{name}.yaml", arguments.set) for name in RECIPES}
    rows = []
    for name, settings in recipes.items():
        settings = dataclasses.replace(settings, steps=arguments.steps)
        for stage in range(1, len(arguments.steps) + 1):
            if not train_stage("msdae", stage, settings, arguments.run / name, arguments.data):
                raise SystemExit(130)
        found = quick(Autoencoder.load(stage_folder(arguments.run / name, stage) / "model.safetensors"))
        rows.append((name, *(f"{value:.2f}" for value in dataclasses.astuple(found))))
    table = Table(
        "Recipes, validation split",
        ("recipe", "melody F1 ↑", "timbre top-1 ↑", "swap score ↑"),
        tuple(rows),
        f"Swaps of level 1 on 48 melodies, one seed; each recipe trained for {sum(arguments.steps)} steps.",
        shlex.join(["python", *sys.argv]),
    )
    print(table.text())
    if arguments.out:
        with atomic(arguments.out) as temporary:
            temporary.write_text(table.markdown() + "\n")


def _parse() -> argparse.Namespace:
    parser = cli.parser(
        f"Train the recipes {', '.join(RECIPES)} (experiments/configs) one after another and score\n"
        "their swaps on validation cases of SwapBench. Killed and started again, the same line continues.",
        "python experiments/ladder.py --steps 1000,400,9000 --data data/many",
    )
    parser.add_argument("--steps", type=_steps, default=(150, 100, 650), help="of each stage (150,100,650)")
    parser.add_argument("--data", type=Path, help="prepared data (rendered squares, made on first use)")
    parser.add_argument("--run", type=Path, default=Path("runs/ladder"), help="folder of the runs")
    parser.add_argument("--out", type=Path, help="Markdown file for the table")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override in every recipe"
    )
    return parser.parse_args()


def _steps(text: str) -> tuple[int, ...]:
    steps = tuple(int(part) for part in text.split(","))
    if len(steps) < 2 or min(steps) < 1:
        raise argparse.ArgumentTypeError("give two numbers or three, one a stage, each 1 or more")
    return steps


if __name__ == "__main__":
    cli.run(main)
