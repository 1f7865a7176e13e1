"""Checkpoints and data sets by name, for the command lines of probes."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from msdae import data
from msdae.errors import UserError
from msdae.models.autoencoder import Autoencoder
from msdae.progress import Progress, silent


def models(checkpoints: Mapping[str, str], kind: str | None, device: torch.device) -> dict[str, Autoencoder]:
    """Load the models of `checkpoints`: {name: model}.

    checkpoints: {name: what `Autoencoder.from_pretrained` takes}. kind: of the models that are returned; None
    for all.

    Raises:
        UserError: a checkpoint cannot be loaded, or none is of that kind.
    """
    loaded = {name: Autoencoder.from_pretrained(path) for name, path in checkpoints.items()}
    of_kind = {name: model.to(device) for name, model in loaded.items() if kind in (None, model.kind)}
    if not of_kind:
        raise UserError(f"--model {kind}: no checkpoint is of that kind; give one with --checkpoint")
    return of_kind


def folders(paths: Sequence[str] | None, progress: Progress = silent) -> dict[str, str | Path]:
    """Data sets as {name of the folder, or its path if several have the name: path}.

    Without paths it is the embedded data set, "synth", which is rendered if it is missing.
    """
    if not paths:
        return {"synth": data.embedded(progress=progress)}
    names = [Path(os.path.realpath(path)).name for path in paths]
    return {path if names.count(name) > 1 else name: path for name, path in zip(names, paths, strict=True)}
