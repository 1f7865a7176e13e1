"""The metrics' own networks as files: half precision, with where they come from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn

from msdae import checkpoint
from msdae.errors import UserError


def save(network: nn.Module, path: str | Path, kind: str, header: Mapping[str, Any]) -> None:
    """Write `network` to one safetensors file in half precision, atomically."""
    tensors = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    checkpoint.save(path, kind, tensors, header)


def restore(network: nn.Module, tensors: Mapping[str, torch.Tensor], path: str | Path) -> nn.Module:
    """`network` with the weights `tensors` of the file `path`, in single precision, for evaluation only.

    Raises:
        UserError: they do not fit.
    """
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except RuntimeError as error:
        fix = "train it again with experiments/train_timbre.py"
        raise UserError(f"{path}: of another msdae; {fix}") from error
    return network.eval().requires_grad_(False)
