"""Measure composers: likelihood, likeness of their tunes to held-out ones, and copying, in one table."""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from msdae import cli, files, folders
from msdae.commands._arguments import add_tables, check_tables, show
from msdae.commands.train_composer import load_pieces
from msdae.errors import UserError
from msdae.evaluation.composers.settings import Settings
from msdae.models.composers import ComposerSampling

if TYPE_CHECKING:
    from msdae.models.composers import Composer


def main(argv: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    from msdae.evaluation.composers import pictures
    from msdae.evaluation.composers.report import evaluate
    from msdae.training.log import LOG

    check_tables(options)
    if options.figures:
        files.make_folder(options.figures)
    composers, runs = _composers(options.trained)
    settings = cli.configured(Settings, options, sampling=cli.configured(ComposerSampling, options))
    command = cli.command_line("evaluate-composers", argv)
    pieces = partial(load_pieces, data=options.data)
    made, samples = evaluate(composers, pieces, settings, command, tqdm)
    show(made, options)
    if options.figures:
        for name in composers:
            pictures.plot_samples(options.figures / f"composer-{name}.png", name, samples[name])
        pictures.plot_embeddings(options.figures / "composer-embeddings.png", composers)
        if runs:
            logs = {name: folder / LOG for name, folder in runs.items()}
            pictures.plot_curves(options.figures / "composer-curves.png", logs)
        print(f"wrote pictures to {options.figures}")


def _composers(trained: Sequence[str]) -> "tuple[dict[str, Composer], dict[str, Path]]":
    """{name: composer}, and {name: folder} of those whose training's log is there."""
    from msdae.models.composers.base import KIND, asset, load, shipped
    from msdae.training.log import LOG

    composers, runs = {}, {}
    paths = (
        cli.named(trained) if trained else {kind: str(asset(kind)) for kind in shipped()} | _trained_here()
    )
    for name, value in paths.items():
        path = Path(value)
        if path.is_dir():
            runs[name], path = path, path / f"{KIND}.safetensors"
        composers[name] = load(path)
    if not composers:
        raise UserError("no trained composers ship; train one, and give its folder with --trained")
    return composers, {name: folder for name, folder in runs.items() if (folder / LOG).is_file()}


def _trained_here() -> dict[str, str]:
    """{name: folder} of the trained composers in runs/composers, without names of composers that ship."""
    from msdae.models.composers.base import KIND, shipped

    runs = sorted((folders.runs() / "composers").glob(f"*/{KIND}.safetensors"))
    return {path.parent.name: str(path.parent) for path in runs if path.parent.name not in shipped()}


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser(
        "evaluate-composers",
        "Score composers on held-out pieces and print one table: nats, overlapping area, copying; and what\n"
        "their tunes are like. Baselines are n-grams. Without --trained: what ships, and runs/composers/*.",
        "--trained runs/composers/transformer mine=runs/mine --out composers.json",
    )
    parser.add_argument(
        "--trained", nargs="+", default=[], metavar="[NAME=]PATH", help="trained composers: folders or files"
    )
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="folder of the pieces that they were trained on"
    )
    cli.add_config(parser, Settings, only=("samples", "bars", "seed", "split"))
    cli.add_config(parser, ComposerSampling)
    parser.set_defaults(temperature=1.0, top_p=1.0)
    add_tables(parser)
    parser.add_argument(
        "--figures",
        type=Path,
        metavar="FOLDER",
        help="folder for pictures of tunes, embeddings and learning curves",
    )
    cli.add_threads(parser)
    return parser
