"""Sources at one level, and their pauses."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F

from msdae.audio.equaliser import PEAK
from msdae.audio.windows import Source, parts

HOP = 512  # samples of a part whose peak is measured
PART = 16  # of these: as long as a short note
FAINT = 10 ** (-30 / 20)  # of the loudest part; what is softer is no sound, and no click beside it
STRAY = 0.04  # share of the parts with sound that may be louder than the rest: clicks
SILENT = 2e-5  # peak, below which nothing is made louder, as what rounding leaves of opposite channels
PAUSE = 10 ** (-50 / 20)  # of `PEAK`: what is softer all along is a pause
HOLD, RELEASE, ATTACK = 0.5, 1.0, 0.05  # seconds
CLOSED = 60.0  # dB that a pause falls by in `RELEASE`


@dataclass(frozen=True, eq=False)
class Levelled:
    """`source` as loud as what models are trained on: its loud parts have the peak `PEAK`.

    rate: Hz.

    Raises:
        UserError: when it is first heard: as the source's `blocks`.
    """

    source: Source
    rate: int

    @property
    def samples(self) -> int:
        """Its length."""
        return self.source.samples

    @property
    def path(self) -> Path:
        """The source's file; an AttributeError without one."""
        return self.source.path

    def blocks(self) -> Iterator[torch.Tensor]:
        for block in self.source.blocks():
            yield self.gain * block

    @cached_property
    def gain(self) -> float:
        """The factor on the source's samples."""
        by_part = F.pad(self._peaks, (0, -len(self._peaks) % PART)).view(-1, PART)
        medians = by_part.median(dim=1).values  # which clicks do not raise
        heard = by_part[medians >= FAINT * medians.max()].amax(dim=1)
        level = float(heard.sort(descending=True).values[int(STRAY * len(heard))])
        level = level if level > SILENT else float(heard.max())
        return PEAK / level if level > SILENT else 1.0

    @property
    def silent(self) -> bool:
        """Whether there is nothing that could be heard."""
        return float(self._peaks.max()) <= SILENT

    def gated(self, blocks: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Consecutive blocks (samples,) of what is as long as the source, silent where it pauses."""
        gate = torch.cat([self._gate[:1], self._gate, self._gate[-1:]])
        start = 0
        for block in blocks:
            place = torch.arange(start, start + len(block)) + HOP // 2
            before = place // HOP
            yield block * gate[before].lerp(gate[before + 1], (place % HOP) / HOP)
            start += len(block)

    @cached_property
    def _peaks(self) -> torch.Tensor:
        """Largest absolute sample of each HOP of the source."""
        padded = (F.pad(part, (0, -len(part) % HOP)) for part in parts(self.source, 256 * HOP))
        return torch.cat([part.view(-1, HOP).abs().amax(dim=1) for part in padded])

    @cached_property
    def _gate(self) -> torch.Tensor:
        """The factor of each hop: 1 where something is heard, `HOLD` longer, falling by `CLOSED` after it."""
        heard = self.gain * self._peaks > PAUSE * PEAK
        index, second = torch.arange(len(heard)), self.rate / HOP
        far = len(heard) + (HOLD + 2 * RELEASE) * second
        since = index - torch.where(heard, index, -far).cummax(dim=0).values
        until = torch.where(heard, index, 2 * far).flip(0).cummin(dim=0).values.flip(0) - index
        falling = ((since / second - HOLD) / RELEASE).clamp(min=0)
        rising = 1 - (until - 1) / second / ATTACK  # open a hop before the sound
        return torch.maximum(10 ** (-CLOSED / 20 * falling), rising.clamp(0, 1)).float()
