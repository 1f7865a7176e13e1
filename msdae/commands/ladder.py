"""Train recipes side by side and score them on the validation split."""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from msdae import cli, config, folders
from msdae.commands._arguments import add_samples, add_tables, check_tables, show
from msdae.errors import UserError

RECIPES = ("same-clip", "cross-excerpt", "perturbed-content", "small")


def main(argv: Sequence[str] | None = None) -> None:
    options = _parse(argv)
    from msdae.evaluation.swapbench import real
    from msdae.evaluation.swapbench.selection import quick
    from msdae.evaluation.tables import Table, Value
    from msdae.inference.pipeline import Pipeline
    from msdae.training.autoencoder import TrainConfig
    from msdae.training.stages import stage_folder, train_stage

    if not 2 <= len(options.steps) <= 3 or min(options.steps) < 1:
        raise UserError("--steps: give two numbers or three, one a stage, each 1 or more")
    check_tables(options)
    library = real.library(tuple(options.samples), (real.VALID,)) if options.split == real.VALID else None
    files = {name: folders.configs() / f"{name}.yaml" for name in RECIPES}
    changes = [*options.set, *([f"model.codec.name={options.codec}"] if options.codec else [])]
    recipes = {name: config.load(TrainConfig, file, changes) for name, file in files.items()}
    rows = []
    for name, settings in recipes.items():
        settings = dataclasses.replace(settings, steps=options.steps)
        for stage in range(1, len(options.steps) + 1):
            if not train_stage("msdae", stage, settings, options.run / name, options.data, progress=tqdm):
                raise SystemExit(130)
        checkpoint = stage_folder(options.run / name, stage)
        pipeline = Pipeline.from_pretrained(checkpoint, "cpu", codec=options.codec)
        scores = quick(pipeline, options.split, library=library)
        rows.append((name, *(Value(value, digits=2) for value in dataclasses.astuple(scores))))
    table = Table(
        f"Recipes, {options.split} split" if library else "Recipes, validation split",
        ("recipe", "melody F1 ↑", "timbre top-1 ↑", "swap score ↑"),
        tuple(rows),
        f"Swaps of level 1 on 48 melodies, one seed; each recipe trained for {sum(options.steps)} steps, "
        f"those with contrast for {settings.pretrain} of encoder 1 alone before.",
        cli.command_line("ladder", argv),
    )
    show([table], options)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(
        "ladder",
        f"Train the recipes {', '.join(RECIPES)} (experiments/configs) one after another and score\n"
        "their swaps on validation cases of SwapBench. Killed and started again, the same line continues.",
        "--steps 1000,400,9000 --data data/many",
    )
    parser.add_argument(
        "--steps",
        type=cli.numbers(int),
        default=(150, 100, 650),
        help="steps of each stage (default: 150,100,650)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        default=[],
        help="prepared data (default: rendered squares, made on first use)",
    )
    parser.add_argument(
        "--split",
        choices=("valid", "real-valid"),
        default="valid",
        help="split of SwapBench to score on; real-valid, whose instruments models may know, needs --samples",
    )
    add_samples(parser, "real-valid")
    parser.add_argument("--codec", help="codec name or file that the data was prepared with")
    parser.add_argument(
        "--run", type=Path, default=folders.runs() / "ladder", help="folder to write the runs to"
    )
    add_tables(parser)
    cli.add_set(parser, "override a setting in every recipe")
    return parser.parse_args(argv)
