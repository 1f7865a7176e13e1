"""Make a model from a recipe, like that of the one that ships: prepare the data, train all stages, export."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from msdae import cli, config, files, folders, launcher
from msdae.commands import export
from msdae.commands.prepare_data import add_samples
from msdae.limits import Range
from msdae.progress import silent

if TYPE_CHECKING:
    from msdae.training.recipe import Recipe


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "make-shipped",
        "Prepare the data sets of a recipe, train all stages on them and write the model in half precision. "
        "Started again, it continues.",
        "--out mine.safetensors",
    )
    recipes = folders.configs() / "shipped.yaml"
    parser.add_argument("--config", type=Path, default=recipes, help="YAML file with `data` and `training`")
    cli.add_set(parser, "override a setting, e.g. training.seed=1")
    parser.add_argument(
        "--from",
        dest="start",
        help="checkpoint to train on from: its last stage, after `refine` steps of the first encoder",
    )
    parser.add_argument("--out", type=Path, required=True, help="model file to write (.safetensors)")
    parser.add_argument("--data", type=Path, default=folders.data(), help="folder of the data sets")
    parser.add_argument("--run", type=Path, default=folders.runs() / "shipped", help="folder of the training")
    scale = cli.ranged(Range(0, 100, above=True, reason="a day times as many"), float)
    parser.add_argument("--scale", type=scale, default=1.0, help="factor of clips and steps, for a trial")
    parser.add_argument(
        "--soundfont", action="append", default=[], help="SoundFont to play with instead (repeatable)"
    )
    add_samples(parser)
    parser.add_argument(
        "--workers", type=cli.positive, help="processes that prepare data (default: all cores)"
    )
    options = parser.parse_args(argv)
    from msdae.training.recipe import Recipe

    files.check_replaceable(options.out)
    recipe = config.load(Recipe, options.config, options.set).scaled(
        options.scale, options.soundfont, options.samples or (), options.unseen_samples or ()
    )
    make(recipe, options.data, options.run, options.out, options.workers, options.start)


def make(
    recipe: "Recipe", data: Path, run: Path, out: Path, workers: int | None = None, start: str | None = None
) -> None:
    """Prepare the data sets in `data`, train in `run` and write the model to `out`.

    workers: processes that prepare data. start: checkpoint to start from; then only the last stage is
    trained, after `refine` steps of the first encoder.

    Raises:
        UserError: a SoundFont or a library of samples is missing, or a folder holds other data.
    """
    from msdae.data.encode import Encoding
    from msdae.data.prepare import prepare_set
    from msdae.models.autoencoder import Autoencoder
    from msdae.synthesis import soundfont
    from msdae.training.stages import stage_folder, train_stage

    training, sets = recipe.training, [data / dataset.name for dataset in recipe.data]
    for dataset in recipe.data:
        for font in set(dataset.squares.fonts()):  # report what is missing before hours of work
            soundfont.check(font)
        dataset.squares.instruments()
    encoding = Encoding(training.model.codec.name, training.model.mel)
    progress = tqdm if launcher.rank() == 0 else silent
    for dataset, folder in zip(recipe.data, sets, strict=True):
        prepare_set("squares", folder, encoding, config=dataset.squares, workers=workers, progress=progress)
    last = len(training.steps)
    for stage in range(last if start else 1, last + 1):
        if not train_stage(training.kind_of(), stage, training, run, sets, start):
            raise SystemExit(130)
    if launcher.rank() == 0:
        export.write(Autoencoder.from_pretrained(stage_folder(run, last)), out)
        print(f"wrote {out}")
