"""Make the student of a model, which renders with few evaluations."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from msdae import cli, config, folders, launcher


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "distill",
        "Make the student of a model: a small file, student.safetensors, with which it renders in 4\n"
        "evaluations in place of 72. The model renders trajectories first, which are kept in the run's\n"
        "folder. Killed and started again, the same line continues.",
        "--checkpoint runs/mine/stage3 --run runs/mine/student",
    )
    parser.add_argument("--run", type=Path, help="folder of the run (default: runs/student)")
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        default=[],
        help="folders with train/ and valid/ of prepare_data.py (default: squares rendered on first use)",
    )
    parser.add_argument("--config", type=Path, help="YAML file of settings that differ from the defaults")
    cli.add_set(parser, "override a setting, e.g. steps=2000")
    cli.add_model(parser)
    options = parser.parse_args(argv)
    from msdae.models.hub import STUDENT
    from msdae.nn.device import device
    from msdae.training.distillation import DistillConfig, distill

    settings = config.load(DistillConfig, options.config, options.set)
    run = options.run or folders.runs() / "student"
    if not distill(
        options.checkpoint, settings, run, options.data, device(options.device), options.codec, tqdm
    ):
        raise SystemExit(130)
    if launcher.rank() == 0:
        print(f"wrote {run / STUDENT}: put it beside the checkpoint, whose folder is looked into")
