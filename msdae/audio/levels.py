"""Sources at one level."""

from collections.abc import Iterator
from functools import cached_property

import torch
import torch.nn.functional as F

from msdae.audio.windows import Changed, parts

MODEL_PEAK = 0.6  # of the loud parts of what models hear: what they were trained on
HOP = 512  # samples of a part whose peak is measured
PART = 16  # of these: as long as a short note
FAINT = 10 ** (-30 / 20)  # of the loudest part; what is softer is no sound, and no click beside it
STRAY = 0.04  # share of the parts with sound that may be louder than the rest: clicks
SILENT = 2e-5  # peak, below which nothing is made louder, as what rounding leaves of opposite channels
OFFSET = 1e-3  # of the highest peak; a mean above it is no sound
LOWEST = -120.0  # dB


class Levelled(Changed):
    """`source` as loud as what models are trained on: its loud parts have the peak `MODEL_PEAK`.

    Raises:
        UserError: when it is first heard: as the source's `blocks`.
    """

    def blocks(self) -> Iterator[torch.Tensor]:
        for block in self.source.blocks():
            yield self.gain * (block - self._offset)

    @cached_property
    def gain(self) -> float:
        """The factor on the source's samples."""
        by_part, medians = self._parts
        heard = by_part[medians >= FAINT * medians.max()].amax(dim=1)
        level = float(heard.sort(descending=True).values[int(STRAY * len(heard))])
        level = level if level > SILENT else float(heard.max())
        return MODEL_PEAK / level if level > SILENT else 1.0

    @property
    def silent(self) -> bool:
        """Whether there is nothing that could be heard."""
        return float(self._peaks.max()) <= SILENT

    @cached_property
    def ranges(self) -> torch.Tensor:
        """Half of the range of each part, as `blocks` gives it: (parts,). An offset has none."""
        _, lowest, highest = self._heard
        parts = zip(lowest.split(PART), highest.split(PART), strict=True)
        return self.gain / 2 * torch.stack([high.max() - low.min() for low, high in parts])

    @property
    def loudest(self) -> int:
        """The sample at which its loudest part begins."""
        return HOP * PART * int(self._parts[1].argmax())

    @cached_property
    def levels(self) -> torch.Tensor:
        """dB of the peak of each HOP, of the source's level: (hops,)."""
        return decibels(self.gain / MODEL_PEAK * self._peaks)

    @property
    def _parts(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Peaks of the hops of each part, (parts, PART), and their medians, which clicks do not raise."""
        by_part = F.pad(self._peaks, (0, -len(self._peaks) % PART)).view(-1, PART)
        return by_part, by_part.median(dim=1).values

    @cached_property
    def _peaks(self) -> torch.Tensor:
        """Largest absolute sample of each HOP of the source, but for the offset."""
        _, lowest, highest = self._heard
        return torch.maximum(highest - self._offset, self._offset - lowest)

    @cached_property
    def _offset(self) -> float:
        """What is taken off the samples: their mean, where it is more than rounding leaves."""
        mean, lowest, highest = self._heard
        highest = float(torch.maximum(highest - mean, mean - lowest).max())
        known = self.samples > PART * HOP  # of a few samples the mean may be their sound
        return mean if known and abs(mean) > OFFSET * highest else 0.0

    @cached_property
    def _heard(self) -> tuple[float, torch.Tensor, torch.Tensor]:
        """The mean of the source's samples; the least and the greatest of each HOP, (hops,) both."""
        total, hops = 0.0, []
        for part in parts(self.source, 256 * HOP):
            total += float(part.sum(dtype=torch.double))
            last = part[-1:].expand(-len(part) % HOP)
            hops.append(torch.stack(torch.cat([part, last]).view(-1, HOP).aminmax(dim=1)))
        lowest, highest = torch.cat(hops, dim=1)
        return total / self.samples, lowest, highest


def decibels(level: torch.Tensor) -> torch.Tensor:
    """Amplitudes in dB, LOWEST at least."""
    return 20 * level.log10().clamp(min=LOWEST / 20)
