"""Train one stage of MSDAE or HDAE."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from msdae import cli, config, folders, launcher
from msdae.models.registry import MODELS

DEFAULTS = {"hdae": "hdae.yaml"}  # {model: default configuration}
DEFAULT = "small.yaml"  # default configuration of all other models


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "train-stage",
        "Train one stage: 1 trains encoder 1 and the denoiser, 2 freezes encoder 1 and adds encoder 2, "
        "3 adds encoder 3. Started again, it continues. Without --data it trains on rendered squares, "
        "which are made on first use.",
        "--stage 2 --run runs/mine --set learning_rate=2e-4",
    )
    parser.add_argument("--stage", type=cli.positive, required=True, help="stage to train: 1, 2 or 3")
    parser.add_argument(
        "--model", choices=sorted(MODELS), help="model to train (default: that of --config, or msdae)"
    )
    parser.add_argument(
        "--config",
        type=Path,
        help="YAML file of settings that differ from the defaults, or a recipe (experiments/configs)",
    )
    cli.add_set(parser, "override a setting, e.g. seed=1")
    parser.add_argument(
        "--run", type=Path, help="folder of the run (default: runs/NAME, named like the config)"
    )
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        default=[],
        help="folders with train/ and valid/ of prepare_data.py",
    )
    parser.add_argument(
        "--from",
        dest="start",
        help="checkpoint to start from: embedded, a file, a folder or a hub id; for little music of your "
        "own, --stage 3 --from embedded is the first line to try",
    )
    cli.add_threads(parser)
    options = parser.parse_args(argv)
    from msdae.inference.listen import listen
    from msdae.training.autoencoder import TrainConfig
    from msdae.training.stages import last_stage, train_stage

    path = options.config or folders.configs() / DEFAULTS.get(options.model, DEFAULT)
    settings = config.load(TrainConfig, path, options.set, "training")
    run = options.run or folders.runs() / path.stem
    model, stage, start = settings.kind_of(options.model), options.stage, options.start
    if not train_stage(model, stage, settings, run, options.data, start, listen, tqdm):
        raise SystemExit(130)
    if launcher.rank() == 0:
        print(f"next: {_following(options, last_stage(model, settings), run)}")


def _following(options: argparse.Namespace, last: int, run: Path) -> str:
    """The next command line to type: that of the next stage or, after the last one, a swap."""
    from msdae.training.stages import stage_folder

    stage = options.stage
    if stage >= last:
        checkpoint = shlex.quote(str(stage_folder(run, stage)))
        return f"{cli.program('swap')} --checkpoint {checkpoint} --timbre a.wav --melody b.wav"
    words = ["--model", options.model] if options.model else []
    words += ["--stage", stage + 1, "--run", run]
    words += ["--config", options.config] if options.config else []
    words += [word for change in options.set for word in ("--set", change)]
    words += ["--data", *options.data] if options.data else []
    return f"{cli.program('train-stage')} {shlex.join(map(str, words))}"
