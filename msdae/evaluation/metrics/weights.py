"""The metrics' own networks as files: half precision, with where they come from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch.nn as nn

from msdae import checkpoint

FIX = "train it again with experiments/train_metrics.py"  # of a file that does not fit


def save(network: nn.Module, path: str | Path, kind: str, header: Mapping[str, Any]) -> None:
    """Write `network` to one safetensors file in half precision, atomically."""
    tensors = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    checkpoint.save(path, kind, tensors, header)
