"""Checks and converts arrays and tensors of samples that users pass."""

from typing import Any

import numpy as np
import torch

from msdae.errors import UserError, printable

NUMBERS = "give floating numbers in [-1, 1], int16 or int32"


def as_block(block: Any, kinds: tuple[torch.dtype, ...] = (torch.float32,)) -> torch.Tensor:
    """A block of samples as a tensor on the CPU: (samples,)

    block: an array or a tensor. kinds: types of numbers that are kept; other floating types become float32.

    Raises:
        UserError: the block is neither an array nor a tensor, or has another shape or type of numbers.
    """
    tensor = as_tensor(block) if isinstance(block, np.ndarray) else block
    if not torch.is_tensor(tensor):
        raise UserError(f"a block that is a {type(block).__name__}: give an array or a tensor (samples,)")
    if tensor.ndim != 1 or not (tensor.is_floating_point() or tensor.dtype in kinds):
        kind = f"shape {tuple(tensor.shape)} and {tensor.dtype}"
        raise UserError(f"a block of {kind}: give (samples,) of floating numbers in [-1, 1]")
    tensor = tensor.detach().cpu()
    return tensor if tensor.dtype in kinds else tensor.float()


def as_tensor(array: np.ndarray) -> torch.Tensor:
    """The array as a tensor, whatever its byte order and memory layout; a read-only array is copied.

    Raises:
        UserError: torch has no such type, as for text or objects.
    """
    try:
        native = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
        return torch.from_numpy(native if native.flags.writeable else native.copy())
    except TypeError as error:  # objects, text, numbers of more than 64 bits
        raise UserError(f"a waveform of {printable(array.dtype)[:40]}: {NUMBERS}") from error
