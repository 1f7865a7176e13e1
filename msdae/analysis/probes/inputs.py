"""What the command lines of probes share: checkpoints and data sets by name."""

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from msdae import data
from msdae.errors import UserError
from msdae.models.autoencoder import Autoencoder
from msdae.models.registry import MODELS
from msdae.progress import Progress, silent


def add_checkpoints(parser: ArgumentParser, doing: str) -> None:
    """--checkpoint and --model. doing: what is done to the models, as "probe"."""
    parser.add_argument(
        "--checkpoint",
        nargs="+",
        default=["embedded"],
        metavar="[NAME=]PATH",
        help="models side by side: 'embedded' (ships with msdae), files, folders or hub ids",
    )
    parser.add_argument("--model", choices=list(MODELS), help=f"{doing} the checkpoints of this kind only")


def models(checkpoints: Mapping[str, str], kind: str | None, device: torch.device) -> dict[str, Autoencoder]:
    """The models of `checkpoints`, {name: what `from_pretrained` takes}; only those of `kind`, if given.

    Raises:
        UserError: a checkpoint cannot be loaded, or none is of that kind.
    """
    loaded = {name: Autoencoder.from_pretrained(path) for name, path in checkpoints.items()}
    of_kind = {name: model.to(device) for name, model in loaded.items() if kind in (None, model.kind)}
    if not of_kind:
        raise UserError(f"--model {kind}: no checkpoint is of that kind; give one with --checkpoint")
    return of_kind


def folders(paths: Sequence[str] | None, progress: Progress = silent) -> dict[str, str | Path]:
    """Data sets by the names of their folders; the rendered one, made where missing, where none is given."""
    if not paths:
        return {"synth": data.embedded(progress=progress)}
    names = [Path(path).resolve().name for path in paths]
    return {path if names.count(name) > 1 else name: path for name, path in zip(names, paths, strict=True)}
