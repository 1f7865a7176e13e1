"""Files of small networks: weights in half precision, with their provenance in the header."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch.nn as nn

from msdae import checkpoint, folders

Network = TypeVar("Network", bound=nn.Module)


def save(network: nn.Module, path: str | Path, kind: str, header: Mapping[str, Any]) -> None:
    """Write `network` to one safetensors file in half precision, atomically."""
    checkpoint.save(path, kind, checkpoint.halved(network.state_dict()), header)


def load(path: str | Path | None, name: str, read: Callable[[str | Path], Network]) -> Network:
    """The network that `read` reads from `path` or, if that is None, from the package's file of this name.

    The package's file is read once.
    """
    return _shipped(name, read) if path is None else read(path)


@functools.cache
def _shipped(name: str, read: Callable[[str | Path], Network]) -> Network:
    return read(folders.ASSETS / f"{name}.safetensors")
