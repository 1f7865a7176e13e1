"""Change of sample rate block by block, equal to torchaudio's one-shot resampling."""

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache

import torch
import torchaudio

_ZERO_CROSSINGS = 6  # torchaudio's default low-pass width, on either side
_ROLLOFF = 0.99  # torchaudio's default, share of the Nyquist frequency that passes
_LARGEST_KERNEL = 4_000_000  # weights; rates that share almost no factor would need gigabytes


def length(samples: int, old_rate: int, new_rate: int) -> int:
    """Samples at `new_rate` of a recording of `samples` at `old_rate`; at least one."""
    return max(1, round(samples * new_rate / old_rate))


def resample(blocks: Iterable[torch.Tensor], old_rate: int, new_rate: int) -> Iterator[torch.Tensor]:
    """Blocks (samples,) of one recording at `old_rate` Hz -> blocks of it at `new_rate` Hz.

    Together they are what `torchaudio.functional.resample` makes of the whole, `length(...)` samples.
    """
    if old_rate == new_rate:
        yield from blocks
        return
    divisor = math.gcd(old_rate, new_rate)
    old, new = old_rate // divisor, new_rate // divisor
    read = written = 0
    # Each output depends on `context` inputs before and after; whole periods of `old` keep the phase.
    context = math.ceil(_width(old, new) / old) * old
    convert = _polyphase(old, new) if _kernel_size(old, new) <= _LARGEST_KERNEL else _Direct(old, new)
    buffer = torch.zeros(context)
    for block in blocks:
        read += len(block)
        buffer = torch.cat([buffer, block])
        usable = (len(buffer) - 2 * context) // old * old
        if usable > 0:
            output = _inner(convert, buffer[: usable + 2 * context], context // old * new)
            written += len(output)
            buffer = buffer[usable:]
            yield output
    padding = torch.zeros(context + old + -len(buffer) % old)
    output = _inner(convert, torch.cat([buffer, padding]), context // old * new)
    yield output[: length(read, old_rate, new_rate) - written]


def _inner(convert, segment: torch.Tensor, margin: int) -> torch.Tensor:
    return convert(segment)[margin:-margin]


def _width(old: int, new: int) -> int:
    """Input samples on either side that an output sample depends on."""
    return math.ceil(_ZERO_CROSSINGS * old / (min(old, new) * _ROLLOFF))


def _kernel_size(old: int, new: int) -> int:
    return new * (old + 2 * _width(old, new))


@lru_cache(maxsize=16)
def _polyphase(old: int, new: int) -> torchaudio.transforms.Resample:
    return torchaudio.transforms.Resample(old, new)


class _Direct:
    """torchaudio's windowed sinc evaluated at each output: for rates with too many phases to store."""

    def __init__(self, old: int, new: int):
        self.old, self.new = old, new
        self.taps = torch.arange(-_width(old, new), _width(old, new) + 2)

    def __call__(self, segment: torch.Tensor) -> torch.Tensor:
        """(samples,), a multiple of `old` -> (samples * new / old,)."""
        outputs = torch.arange(len(segment) * self.new // self.old)
        return torch.cat([self._at(segment, part) for part in outputs.split(1 << 16)])

    def _at(self, segment: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        inputs = (outputs * self.old // self.new)[:, None] + self.taps
        inside = (inputs >= 0) & (inputs < len(segment))
        values = segment[inputs.clamp(0, len(segment) - 1)] * inside
        base = min(self.old, self.new) * _ROLLOFF
        distance = (inputs * self.new - outputs[:, None] * self.old).double() * (base / (self.old * self.new))
        distance = distance.clamp(-_ZERO_CROSSINGS, _ZERO_CROSSINGS)
        window = torch.cos(distance * math.pi / _ZERO_CROSSINGS / 2) ** 2
        weights = torch.sinc(distance) * window * (base / self.old)
        return (values * weights).sum(-1).float()
