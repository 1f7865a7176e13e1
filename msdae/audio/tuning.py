"""Recordings in another tuning than A = 440 Hz, which models are trained on, brought to it and back."""

from collections.abc import Iterable, Iterator
from functools import cached_property

import torch
import torch.nn.functional as F

from msdae.audio.resample import length, resample
from msdae.audio.windows import Changed, beginning

FFT, HOP = 8192, 4096  # samples
LONGEST = 60  # seconds of a recording that are listened to
LOWEST, HIGHEST = 80.0, 1000.0  # Hz; higher partials lie beside the keys
LOUD, HEARD = 10 ** (-30 / 20), 10 ** (-40 / 20)  # of a frame's and of the recording's loudest partial
SURE = 0.35  # of 1, which is that of partials that are all as far from the keys
LEAST = 10.0  # cents; what is less is left as it is


class Tuned(Changed):
    """`source` as fast as it has to be to be in tune with A = 440 Hz, if it is in one tuning at all.

    Raises:
        UserError: when it is first heard: as the source's `blocks`.
    """

    @property
    def samples(self) -> int:
        """Its length, which is not the source's."""
        return length(self.source.samples, self.rate, self._new_rate)

    def blocks(self) -> Iterator[torch.Tensor]:
        return resample(self.source.blocks(), self.rate, self._new_rate)

    def restored(self, blocks: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Blocks (samples,) of a rendering as long as this, in the source's tuning and as long as it."""
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
    """How many cents the partials of a sound (samples,) are above the keys of a piano, -50 to 50.

    0 where they are not all as far from them: of quarter tones, slides and noise.
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
