"""Sources at one level, and renderings that are soft where they are."""

from collections.abc import Iterable, Iterator
from functools import cached_property

import torch
import torch.nn.functional as F

from msdae.audio.dynamics import REACH, loudest
from msdae.audio.equaliser import PEAK
from msdae.audio.windows import Changed, cut, parts

HOP = 512  # samples of a part whose peak is measured
PART = 16  # of these: as long as a short note
FAINT = 10 ** (-30 / 20)  # of the loudest part; what is softer is no sound, and no click beside it
STRAY = 0.04  # share of the parts with sound that may be louder than the rest: clicks
SILENT = 2e-5  # peak, below which nothing is made louder, as what rounding leaves of opposite channels
OFFSET = 1e-3  # of the highest peak; a mean above it is no sound
HOLD, RELEASE, CLOSED = 0.5, 1.0, 60.0  # seconds until a pause begins and in which it falls by so many dB
EARLY = 2  # hops by which it ends before there is sound again
SOFT, SLOPE = -20.0, 3.0  # dB of the level under which a rendering is bounded, by so many dB for each of them
EVEN, SOFTEST = 1.0, 1.5 * SOFT  # dB that a passage may be louder; down to where the bound is lower
NEAR, TOGETHER = 2, 512  # hops about one whose peak is its own; hops that are changed at once
LOWEST = -120.0  # dB


class Levelled(Changed):
    """`source` as loud as what models are trained on: its loud parts have the peak `PEAK`.

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
        return PEAK / level if level > SILENT else 1.0

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

    def gated(self, blocks: Iterable[torch.Tensor], level: float) -> Iterator[torch.Tensor]:
        """Blocks (samples,) of a rendering as long as the source, turned down wherever the source is soft.

        A passage is no louder, against the rendering's own level, than the source's. Where the source is x dB
        under `SOFT`, the rendering is `SLOPE` times x under its level at least: so the noise of a room in a
        pause does not become notes.

        level: peak of the rendering where the source is loud.
        """
        reach = round(REACH * self.rate / HOP)
        margin, size = (2 * reach + NEAR) * HOP, TOGETHER * HOP
        begins = range(0, self.samples, size)
        firsts = [max(0, begin - margin) for begin in begins]
        for begin, first, part in zip(begins, firsts, cut(blocks, firsts, size + 2 * margin), strict=True):
            padded = F.pad(part, (0, -len(part) % HOP))
            peaks = padded.view(1, -1, HOP).abs().amax(dim=2) / max(level, SILENT)
            passage = self._passages[:, first // HOP :][:, : peaks.shape[1]]
            change = passage + EVEN - loudest(_decibels(peaks).clamp(min=SOFTEST), reach)
            near = _decibels(F.max_pool1d(peaks, 2 * NEAR + 1, 1, NEAR))
            bound = self._bound[first // HOP :][: peaks.shape[1]] - near
            factors = 10 ** (torch.minimum(change, bound).clamp(max=0) / 20)
            curve = F.interpolate(factors[None], size=len(padded), mode="linear")[0, 0]
            own = slice(begin - first, min(begin - first + size, len(part)))
            yield part[own] * curve[own]

    @cached_property
    def _levels(self) -> torch.Tensor:
        """dB of each hop, of the source's level: (hops,)."""
        return _decibels(self.gain / PEAK * self._peaks)

    @cached_property
    def _passages(self) -> torch.Tensor:
        """dB of what is loudest about each hop, (1, hops)."""
        return loudest(self._levels[None].clamp(min=SOFTEST), round(REACH * self.rate / HOP))

    @cached_property
    def _bound(self) -> torch.Tensor:
        """What a rendering's peak may be in each hop, in dB of its level: (hops,)."""
        before, second = round(HOLD * self.rate / HOP), self.rate / HOP
        held = F.pad(self._levels, (before, EARLY), value=LOWEST)[None]
        held = F.max_pool1d(held, before + EARLY + 1, 1)[0].double()
        fallen = CLOSED / RELEASE / second * torch.arange(len(held))
        held = (held + fallen).cummax(dim=0).values - fallen
        return (SLOPE * (held - SOFT)).float()

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


def _decibels(level: torch.Tensor) -> torch.Tensor:
    return 20 * level.log10().clamp(min=LOWEST / 20)
