"""Changes sample rates block by block with the SoX resampler (package soxr)."""

from collections.abc import Iterable, Iterator

import numpy as np
import soxr
import torch

QUALITY = "VHQ"  # passes 91 % of the lower Nyquist frequency, aliases below -140 dB
CONTEXT = 512  # samples at the lower rate; those farther away have no audible influence on a sample


def length(samples: int, old_rate: int, new_rate: int) -> int:
    """The length at `new_rate` of a recording with `samples` samples at `old_rate`; at least 1."""
    return max(1, round(samples * new_rate / old_rate))


def resample(blocks: Iterable[torch.Tensor], old_rate: int, new_rate: int) -> Iterator[torch.Tensor]:
    """Blocks (samples,) of one recording at `old_rate` Hz -> the recording at `new_rate` Hz, in blocks.

    The result does not depend on how the blocks are cut, and has `length(...)` samples.
    """
    if old_rate == new_rate:
        yield from blocks
        return
    stream = soxr.ResampleStream(old_rate, new_rate, num_channels=1, dtype="float32", quality=QUALITY)
    read = written = 0
    for block in blocks:
        output = stream.resample_chunk(block.detach().cpu().float().numpy())
        read, written = read + len(block), written + len(output)
        yield torch.from_numpy(output)
    rest = length(read, old_rate, new_rate) - written
    output = torch.from_numpy(stream.resample_chunk(np.zeros(0, np.float32), last=True))[:rest]
    yield torch.nn.functional.pad(output, (0, rest - len(output)))


def resampled(waveform: torch.Tensor, old_rate: int, new_rate: int) -> torch.Tensor:
    """A whole waveform (samples,), resampled from `old_rate` to `new_rate` Hz."""
    return torch.cat(list(resample([waveform], old_rate, new_rate)))
