"""Retunes recordings to A = 440 Hz, on which models are trained, and renderings back to their tuning."""

from collections.abc import Iterable, Iterator
from functools import cached_property

import torch
import torch.nn.functional as F

from msdae.audio.resample import length, resample
from msdae.audio.windows import Changed, beginning

FFT, HOP = 8192, 4096  # samples
LONGEST = 60  # seconds of a recording that are analysed
LOWEST, HIGHEST = 80.0, 1000.0  # Hz; higher partials deviate from the keys
LOUD, HEARD = 10 ** (-30 / 20), 10 ** (-40 / 20)  # lowest partial, of its frame's loudest and of the loudest
SURE = 0.35  # lowest agreement of the partials; it is 1 if all are equally far from the keys
LEAST = 10.0  # cents; a recording that is less out of tune is left alone


class Tuned(Changed):
    """`source`, played at the speed that tunes it to A = 440 Hz; unchanged if it has no single tuning.

    Raises:
        UserError: at the first use, if the source's `blocks` raises it.
    """

    @property
    def samples(self) -> int:
        """Its length, which differs from the source's if it is retuned."""
        return length(self.source.samples, self.rate, self._new_rate)

    def blocks(self) -> Iterator[torch.Tensor]:
        return resample(self.source.blocks(), self.rate, self._new_rate)

    def restored(self, blocks: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """A rendering of this length, in the source's tuning and length; both in blocks (samples,)."""
        missing = self.source.samples
        for block in resample(blocks, self._new_rate, self.rate):
            yield block[:missing]
            missing -= len(block[:missing])
        if missing:
            yield torch.zeros(missing)

    @cached_property
    def _new_rate(self) -> int:
        cents = offset(beginning(self.source, LONGEST * self.rate), self.rate)
        return round(self.rate * 2 ** (cents / 1200)) if abs(cents) >= LEAST else self.rate


def offset(sound: torch.Tensor, rate: int) -> float:
    """How far the partials of a sound (samples,) are above the keys at A = 440 Hz, in cents from -50 to 50.

    It is 0 if they are not about equally far from the keys, as with quarter tones, slides and noise.
    """
    frames = F.pad(sound.float(), (0, max(0, FFT - len(sound)))).unfold(0, FFT, HOP)
    bins = slice(round(LOWEST / rate * FFT), round(HIGHEST / rate * FFT))
    spectrum = torch.fft.rfft(frames * torch.hann_window(FFT)).abs().clamp_min(1e-9)
    level, loudest = spectrum[:, bins], spectrum.max()
    before, middle, after = level.log().unfold(1, 3, 1).unbind(-1)
    loud = level[:, 1:-1] > torch.maximum(LOUD * level.amax(dim=1, keepdim=True), HEARD * loudest)
    frame, place = ((middle > before) & (middle >= after) & loud).nonzero(as_tuple=True)
    before, middle, after = (values[frame, place] for values in (before, middle, after))
    vertex = (before - after) / (2 * (before - 2 * middle + after)).clamp(max=-1e-9)
    hertz = (bins.start + 1 + place + vertex) * rate / FFT
    turns = 2 * torch.pi * 12 * (hertz / 440).log2()
    weight = middle.exp()
    mean = torch.complex(weight * turns.cos(), weight * turns.sin()).sum() / weight.sum().clamp_min(1e-9)
    return float(mean.angle()) / (2 * torch.pi) * 100 if mean.abs() > SURE else 0.0
