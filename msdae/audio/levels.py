"""Brings sources to the level that models are trained on."""

from collections.abc import Iterator
from functools import cached_property

import torch
import torch.nn.functional as F

from msdae.audio.windows import Changed, parts

MODEL_PEAK = 0.6  # peak of the loud parts of sounds that models were trained on
HOP = 512  # samples whose peak is measured
PART = 16  # hops in a part, which is as long as a short note
FAINT = 10 ** (-30 / 20)  # of the loudest part's level; a softer part counts as silent
STRAY = 0.04  # share of the sounding parts that may be louder than the level, such as clicks
SILENT = 2e-5  # peak below which nothing is amplified: it may be the rounding left of opposite channels
OFFSET = 1e-3  # of the highest peak; a larger mean is a DC offset
LOWEST = -120.0  # dB


class Levelled(Changed):
    """`source` at the level that models are trained on, without a DC offset: loud parts peak at `MODEL_PEAK`.

    Raises:
        UserError: at the first use, if the source's `blocks` raises it.
    """

    def blocks(self) -> Iterator[torch.Tensor]:
        for block in self.source.blocks():
            yield self.gain * (block - self._offset)

    @cached_property
    def gain(self) -> float:
        """The factor by which the source's samples are multiplied."""
        by_part, medians = self._parts
        heard = by_part[medians >= FAINT * medians.max()].amax(dim=1)
        level = float(heard.sort(descending=True).values[int(STRAY * len(heard))])
        level = level if level > SILENT else float(heard.max())
        return MODEL_PEAK / level if level > SILENT else 1.0

    @property
    def silent(self) -> bool:
        """Whether no sample, without the offset, exceeds `SILENT`."""
        return float(self._peaks.max()) <= SILENT

    @cached_property
    def ranges(self) -> torch.Tensor:
        """Half of the range (largest minus smallest sample) of each part, after the gain: (parts,)"""
        _, lowest, highest = self._heard
        parts = zip(lowest.split(PART), highest.split(PART), strict=True)
        return self.gain / 2 * torch.stack([high.max() - low.min() for low, high in parts])

    @property
    def loudest(self) -> int:
        """The index of the sample at which the loudest part begins."""
        return HOP * PART * int(self._parts[1].argmax())

    @cached_property
    def levels(self) -> torch.Tensor:
        """The peak of each hop, in dB relative to the source's level: (hops,)"""
        return decibels(self.gain / MODEL_PEAK * self._peaks)

    @property
    def _parts(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The peaks of the hops in each part, (parts, PART), and their medians, which clicks do not raise."""
        by_part = F.pad(self._peaks, (0, -len(self._peaks) % PART)).view(-1, PART)
        return by_part, by_part.median(dim=1).values

    @cached_property
    def _peaks(self) -> torch.Tensor:
        """The largest absolute sample of each hop of the source, without the offset: (hops,)"""
        _, lowest, highest = self._heard
        return torch.maximum(highest - self._offset, self._offset - lowest)

    @cached_property
    def _offset(self) -> float:
        """The offset that is subtracted: the mean of the samples if it is large enough, else 0."""
        mean, lowest, highest = self._heard
        highest = float(torch.maximum(highest - mean, mean - lowest).max())
        known = self.samples > PART * HOP  # the mean of few samples may be sound
        return mean if known and abs(mean) > OFFSET * highest else 0.0

    @cached_property
    def _heard(self) -> tuple[float, torch.Tensor, torch.Tensor]:
        """The mean of the source's samples; the smallest and the largest sample of each hop, (hops,) both."""
        total, hops = 0.0, []
        for part in parts(self.source, 256 * HOP):
            total += float(part.sum(dtype=torch.double))
            last = part[-1:].expand(-len(part) % HOP)
            hops.append(torch.stack(torch.cat([part, last]).view(-1, HOP).aminmax(dim=1)))
        lowest, highest = torch.cat(hops, dim=1)
        return total / self.samples, lowest, highest


def decibels(level: torch.Tensor) -> torch.Tensor:
    """Amplitudes in dB, at least `LOWEST`."""
    return 20 * level.log10().clamp(min=LOWEST / 20)
