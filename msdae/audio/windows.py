"""Cuts long signals into overlapping windows and joins such windows again, in constant memory."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch

from msdae.audio import resample
from msdae.audio.files import BLOCK, RATES, Recording, open_recording
from msdae.audio.samples import NUMBERS, as_block, as_tensor
from msdae.errors import UserError, printable
from msdae.limits import Range

_LOOP_FADE = 256  # samples of the fades at the ends of a looped recording, which prevent a click
KEPT = 300  # seconds (53 MB) of the longest source that `Kept` keeps in memory
Item = TypeVar("Item")


class Source(Protocol):
    """Mono sound that can be read from its start any number of times."""

    @property
    def samples(self) -> int:
        """The number of samples."""

    def blocks(self) -> Iterator[torch.Tensor]:
        """Consecutive float32 tensors (samples,) that make up the sound."""


@dataclass(frozen=True, eq=False)
class Waveform:
    """A source in memory: (samples,), mono, [-1, 1].

    Raises:
        UserError: the waveform has another shape, no samples, or NaN or infinite values.
    """

    waveform: torch.Tensor

    def __post_init__(self):
        shape = tuple(self.waveform.shape)
        if len(shape) != 1 or not len(self.waveform):
            fix = "; transpose it" if len(shape) == 2 and 0 < shape[1] < shape[0] else ""
            raise UserError(
                f"a waveform of shape {shape}: give (samples,) or (channels, samples), not empty{fix}"
            )
        if not torch.isfinite(self.waveform).all():
            raise UserError("a waveform has NaN or infinite samples; give finite ones, in [-1, 1]")

    @property
    def samples(self) -> int:
        return len(self.waveform)

    def blocks(self) -> Iterator[torch.Tensor]:
        yield from self.waveform.detach().cpu().float().split(BLOCK)


@dataclass(frozen=True, eq=False)
class Changed:
    """The base of sources that process another `source`; subclasses define `blocks`.

    rate: sample rate of the source in Hz.
    """

    source: Source
    rate: int

    @property
    def samples(self) -> int:
        """The number of samples, by default that of the source."""
        return self.source.samples

    @property
    def origin(self) -> Source:
        """The source from which all processing starts."""
        return self.source.origin if isinstance(self.source, Changed) else self.source

    @property
    def path(self) -> Path:
        """The file of `origin`; raises an AttributeError if it has none."""
        return self.origin.path


class Kept(Changed):
    """`source`, whose samples stay in memory once they are read, unless it is longer than `KEPT`."""

    def blocks(self) -> Iterator[torch.Tensor]:
        if self.samples > KEPT * self.rate:
            return self.source.blocks()
        return iter(self._waveform.split(BLOCK))

    @cached_property
    def _waveform(self) -> torch.Tensor:
        return torch.cat(list(self.source.blocks()))


@dataclass(frozen=True, eq=False)
class Checked(Changed):
    """A source object from a user, whose blocks are checked and converted to float32 tensors.

    Raises:
        UserError: it has no samples; or, when it is read, a block is refused by `as_block`, samples are NaN
            or infinite, or there are fewer or more of them than it says.
    """

    def __post_init__(self):
        Range(1).check(self.samples, "samples of a source", int)

    def blocks(self) -> Iterator[torch.Tensor]:
        given = 0
        for block in map(as_block, self.source.blocks()):
            given += len(block)
            if given > self.samples:
                break
            if not block.isfinite().all():
                raise UserError("a source has NaN or infinite samples; give finite ones, in [-1, 1]")
            yield block
        if given != self.samples:
            reason = f"a source of {self.samples} samples gives {given}"
            raise UserError(f"{reason} in its blocks; correct its `samples`, or its `blocks()`")


@dataclass(frozen=True, eq=False)
class Resampled:
    """`source`, resampled from `old_rate` to `new_rate` Hz."""

    source: Source
    old_rate: int
    new_rate: int

    @property
    def samples(self) -> int:
        return resample.length(self.source.samples, self.old_rate, self.new_rate)

    def blocks(self) -> Iterator[torch.Tensor]:
        return resample.resample(self.source.blocks(), self.old_rate, self.new_rate)


def as_source(sound: Any, rate: int, sample_rate: int | None = None) -> Source:
    """Any sound as a mono source at `rate` Hz.

    sound: the name of a file; an array or tensor, (samples,) or (channels, samples), of floating numbers in
        [-1, 1], int16 or int32, whose channels are averaged; or anything with `samples` and `blocks()`.
    sample_rate: of the sound in Hz, by default `rate`; ignored for files, which have their own.

    Raises:
        UserError: the file cannot be read; the array has another shape or type, is empty, or has NaN or
            infinite values; or as in `Checked`.
    """
    if isinstance(sound, (str, Path, Recording)):
        return open_recording(getattr(sound, "path", sound), rate)
    if sample_rate is not None and sample_rate not in RATES:
        raise UserError(f"sample_rate {printable(sample_rate)[:40]}: give the Hz of the sound, as 44100")
    if isinstance(sound, (Waveform, Changed, Resampled)):
        source = sound
    elif hasattr(sound, "blocks") and hasattr(sound, "samples"):
        source = Checked(sound, sample_rate or rate)
    else:
        source = Waveform(_mono(sound))
    if sample_rate in (None, rate):
        return source
    return Resampled(source, int(sample_rate), rate)


def _mono(sound: Any) -> torch.Tensor:
    """An array or tensor (samples,) or (channels, samples), with channels averaged: float32, (samples,)"""
    if not isinstance(sound, (np.ndarray, torch.Tensor)):
        kind = "nothing" if sound is None else f"a {type(sound).__name__}"
        raise UserError(f"a source that is {kind}: give a file's name, an array or a tensor (samples,)")
    waveform = as_tensor(sound) if isinstance(sound, np.ndarray) else sound.detach()
    if waveform.dtype in (torch.int16, torch.int32):
        waveform = waveform.double() / 2 ** (8 * waveform.element_size() - 1)
    elif not waveform.is_floating_point():
        raise UserError(f"a waveform of {waveform.dtype}: {NUMBERS}")
    if waveform.ndim == 2 and 0 < waveform.shape[0] <= waveform.shape[1]:
        waveform = waveform.mean(dim=0)
    return waveform.float()


def starts(length: int, window: int, stride: int) -> list[int]:
    """The starts of windows that cover `length` samples, `stride` apart; the last ends with the signal.

    A signal shorter than a window has one window, at 0.
    """
    last = max(0, length - window)
    return [*range(0, last, stride), last]


def cut(blocks: Iterable[torch.Tensor], firsts: Iterable[int], window: int) -> Iterator[torch.Tensor]:
    """Blocks (..., any) of one signal -> its windows (..., window) that start at `firsts`, in rising order.

    Windows that reach beyond the end of the signal are shorter.
    """
    iterator = iter(blocks)
    buffer, position = next(iterator, torch.zeros(0)), 0  # position of the buffer's first sample
    for first in firsts:
        parts, end = [buffer], position + buffer.shape[-1]
        while end < first + window and (block := next(iterator, None)) is not None:
            if end <= first:  # samples that no window needs are dropped
                parts, position = [], end
            parts.append(block)
            end += block.shape[-1]
        buffer = torch.cat(parts, dim=-1)[..., first - position :]
        position = first
        yield buffer[..., :window]


def surrounded(
    blocks: Iterable[torch.Tensor], samples: int, size: int, margin: int
) -> Iterator[tuple[int, int, torch.Tensor]]:
    """Blocks of one signal of `samples` samples -> its parts of `size`, with up to `margin` on either side.

    Yields (start of the part, start of the window, window), with starts in samples. The window is the part
    with its margins and runs from its start to at most `size` + 2 * `margin` samples later.
    """
    begins = range(0, samples, size)
    firsts = [max(0, begin - margin) for begin in begins]
    return zip(begins, firsts, cut(blocks, firsts, size + 2 * margin), strict=True)


def parts(source: Source, size: int) -> Iterator[torch.Tensor]:
    """The source in parts of `size` samples, of which the last may be shorter."""
    return cut(source.blocks(), range(0, source.samples, size), size)


def beginning(source: Source, samples: int) -> torch.Tensor:
    """The first `samples` samples of a source, or the whole of a shorter one: (at most `samples`,)"""
    return next(cut(source.blocks(), [0], samples))


def join(
    windows: Iterable[torch.Tensor],
    overlap: int,
    blend: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> Iterator[torch.Tensor]:
    """Windows (..., at least 2 * overlap) that overlap by `overlap` samples -> one signal, in blocks.

    blend: turns the end of a window and the beginning of the next, (..., overlap) both, into one.
    """
    tail = None
    for window in windows:
        if tail is not None:
            window = torch.cat([blend(tail, window[..., :overlap]), window[..., overlap:]], dim=-1)
        yield window[..., :-overlap]
        tail = window[..., -overlap:]
    if tail is not None:
        yield tail


def crossfade_level(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """A crossfade from `before` to `after` at a constant level, whether or not their phases agree.

    It is linear for equal signals, of constant power for uncorrelated ones, and in between according to their
    correlation. All shapes are (..., samples).
    """
    ramp = _ramp(before)
    products = before.square(), after.square(), before * after
    before_power, after_power, both = (product.mean(dim=-1, keepdim=True) for product in products)
    correlation = (both / (before_power * after_power).sqrt().clamp(min=1e-12)).clamp(0, 1)
    expected = (1 - ramp).square() + ramp.square() + 2 * ramp * (1 - ramp) * correlation
    return torch.lerp(before, after, ramp) / expected.sqrt()


def padded(source: Source, end: int, samples: int) -> Iterator[torch.Tensor]:
    """The first `end` samples of `source` in blocks, then silence up to `samples`."""
    left = end
    for block in source.blocks():
        if left <= 0:
            break
        yield block[:left]
        left -= len(block)
    for start in range(end, samples, BLOCK):
        yield torch.zeros(min(BLOCK, samples - start))


def looped(source: Source) -> Iterator[torch.Tensor]:
    """The blocks of `source`, repeated endlessly, with short fades at the joins."""
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
    """The blocks of `source`, faded out at its end and, if `from_start`, faded in at its start."""
    position = 0
    for block in source.blocks():
        index = torch.arange(position, position + len(block))
        distance = source.samples - 1 - index
        if from_start:
            distance = torch.minimum(index, distance)
        yield block * (distance / _LOOP_FADE).clamp(max=1)
        position += len(block)


def _ramp(like: torch.Tensor) -> torch.Tensor:
    """A linear ramp from 0 to 1, both excluded, as long as `like`: (samples,)"""
    steps = like.shape[-1]
    return torch.arange(1, steps + 1, dtype=like.dtype, device=like.device) / (steps + 1)
