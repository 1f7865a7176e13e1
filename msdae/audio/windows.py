"""Long signals as overlapping windows, and overlapping windows as one signal again; flat in memory."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch

from msdae.audio.files import BLOCK
from msdae.errors import UserError

_LOOP_FADE = 256  # samples; the ends of a looped recording, so that the jump between them is no click
Item = TypeVar("Item")


class Source(Protocol):
    """Mono sound that can be read from its start any number of times."""

    samples: int

    def blocks(self) -> Iterator[torch.Tensor]:
        """Consecutive (samples,) float32 tensors."""


@dataclass(frozen=True, eq=False)
class Waveform:
    """A source in memory: (samples,), mono, [-1, 1].

    Raises:
        UserError: another shape, no samples, NaN or infinite values.
    """

    waveform: torch.Tensor

    def __post_init__(self):
        if self.waveform.ndim != 1 or not len(self.waveform):
            raise UserError(
                f"a waveform of shape {tuple(self.waveform.shape)}: give (samples,), mono, not empty"
            )
        if not torch.isfinite(self.waveform).all():
            raise UserError("a waveform has NaN or infinite samples")

    @property
    def samples(self) -> int:
        return len(self.waveform)

    def blocks(self) -> Iterator[torch.Tensor]:
        yield from self.waveform.detach().cpu().float().split(BLOCK)


def count(length: int, window: int, stride: int) -> int:
    """How many windows, `stride` apart, cover `length`; at least one."""
    return 1 + max(0, -(-(length - window) // stride))


def cut(blocks: Iterable[torch.Tensor], window: int, stride: int) -> Iterator[torch.Tensor]:
    """Blocks (..., any) of one signal -> its windows (..., window), `stride` apart; the last may be short."""
    overlap = window - stride
    buffer, first = None, True
    for block in blocks:
        buffer = block if buffer is None else torch.cat([buffer, block], dim=-1)
        while buffer.shape[-1] >= window:
            yield buffer[..., :window]
            buffer, first = buffer[..., stride:], False
    if buffer is not None and (first or buffer.shape[-1] > overlap):
        yield buffer


def join(
    windows: Iterable[torch.Tensor],
    overlap: int,
    blend: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> Iterator[torch.Tensor]:
    """Windows (..., at least 2 * overlap), each sharing `overlap` with the next -> blocks of one signal."""
    tail = None
    for window in windows:
        if tail is not None:
            window = torch.cat([blend(tail, window[..., :overlap]), window[..., overlap:]], dim=-1)
        yield window[..., :-overlap]
        tail = window[..., -overlap:]
    yield tail


def crossfade(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Linear, from `before` to `after` (..., overlap): right for signals that are nearly equal."""
    return torch.lerp(before, after, _ramp(before))


def crossfade_level(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """From `before` to `after` (..., samples) at an even level, whether their phases agree or not.

    Linear for equal signals and of constant power for uncorrelated ones; between, by their correlation.
    """
    ramp = _ramp(before)
    mean = lambda x: x.mean(dim=-1, keepdim=True)  # noqa: E731
    power = (mean(before.square()) * mean(after.square())).sqrt()
    correlation = (mean(before * after) / power.clamp(min=1e-12)).clamp(0, 1)
    expected = (1 - ramp).square() + ramp.square() + 2 * ramp * (1 - ramp) * correlation
    return torch.lerp(before, after, ramp) / expected.sqrt()


def padded(source: Source, samples: int) -> Iterator[torch.Tensor]:
    """The blocks of `source`, then silence up to `samples`."""
    yield from source.blocks()
    for start in range(source.samples, samples, BLOCK):
        yield torch.zeros(min(BLOCK, samples - start))


def looped(source: Source) -> Iterator[torch.Tensor]:
    """The blocks of `source` over and over, without end."""
    yield from _faded(source, from_start=False)
    if source.samples > BLOCK:
        while True:
            yield from _faded(source)
    once = torch.cat(list(_faded(source)))
    yield from itertools.repeat(once.repeat(BLOCK // len(once)))


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` consecutive items; the last may be shorter."""
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def _faded(source: Source, from_start: bool = True) -> Iterator[torch.Tensor]:
    """The blocks of `source`, faded out at its end and, unless it begins a loop, in at its start."""
    position = 0
    for block in source.blocks():
        index = torch.arange(position, position + len(block))
        distance = source.samples - 1 - index
        if from_start:
            distance = torch.minimum(index, distance)
        yield block * (distance / _LOOP_FADE).clamp(max=1)
        position += len(block)


def _ramp(like: torch.Tensor) -> torch.Tensor:
    """Rises from 0 to 1, both excluded."""
    steps = like.shape[-1]
    return torch.arange(1, steps + 1, dtype=like.dtype, device=like.device) / (steps + 1)
