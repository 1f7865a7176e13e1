"""Renderings that are loud and soft where their sources are."""

from collections.abc import Iterable, Iterator
from functools import cached_property

import torch
import torch.nn.functional as F

from msdae.audio.dynamics import REACH, loudest
from msdae.audio.levels import HOP, LOWEST, SILENT, Levelled, decibels
from msdae.audio.onsets import onsets
from msdae.audio.windows import cut

HOLD, RELEASE, CLOSED = 0.5, 1.0, 60.0  # seconds until a pause begins and in which it falls by so many dB
EARLY = 2  # hops by which a pause ends, or a note begins, before it is heard
SOFT, SLOPE = -20.0, 3.0  # dB of the level under which a rendering is bounded, by so many dB for each of them
EVEN, SOFTEST = 1.0, 1.5 * SOFT  # dB that a passage may be louder; down to where the bound is lower
NEAR, TOGETHER = 2, 512  # hops about one whose peak is its own; hops that are changed at once
TAIL, ATTACK = (
    1,
    18,
)  # hops in which the note before ends, and until which, 0.2 s, one is as loud as it will be
SOFTER, LOUDER = -15.0, 6.0  # dB that a note may be changed by
CLEAR = 2.0  # dB that it is let differ by


class Contour:
    """How loud a source is over time, and its notes against each other."""

    def __init__(self, source: Levelled):
        self.source = source
        self._reach = round(REACH * source.rate / HOP)

    def followed(
        self, blocks: Iterable[torch.Tensor], level: float, notes: bool = True
    ) -> Iterator[torch.Tensor]:
        """Blocks (samples,) of a rendering as long as the source, with its contour.

        A passage is no louder, against the rendering's own level, than the source's, and a note is about as
        much softer than its passage as in the source. Where the source is x dB under `SOFT`, the rendering is
        `SLOPE` times x under its level at least: so the noise of a room in a pause does not become notes.

        level: peak of the rendering where the source is loud. notes: whether it has the source's notes.
        """
        margin, size = (2 * self._reach + ATTACK + EARLY) * HOP, TOGETHER * HOP
        begins = range(0, self.source.samples, size)
        firsts = [max(0, begin - margin) for begin in begins]
        changes = [0.0]  # dB of each note so far, after what is before the first
        for begin, first, part in zip(begins, firsts, cut(blocks, firsts, size + 2 * margin), strict=True):
            padded = F.pad(part, (0, -len(part) % HOP))
            peaks = padded.view(1, -1, HOP).abs().amax(dim=2) / max(level, SILENT)
            hops = torch.arange(first // HOP, first // HOP + peaks.shape[1])
            levels = decibels(peaks).clamp(min=SOFTEST)
            passages = loudest(levels, self._reach)
            change = (self._passages[:, hops] + EVEN - passages).clamp(max=0)
            if notes:
                last = torch.searchsorted(self._begun, begin // HOP + TOGETHER + EARLY, right=True)
                new = slice(len(changes) - 1, int(last))
                attacks = _attacks((levels - passages)[0], self._begun[new] - hops[0])
                other = F.softshrink(self._attacks[new] - attacks, CLEAR)
                changes += other.clamp(SOFTER, LOUDER).tolist()
                before = torch.searchsorted(self._begun[:last], hops + EARLY, right=True)
                age = (hops - F.pad(self._begun, (1, 0))[before]) / (2 * self._reach)  # then passages tell
                change = change + torch.tensor(changes)[before] * (1 - age).clamp(0, 1)
            bound = self._bound[hops] - decibels(F.max_pool1d(peaks, 2 * NEAR + 1, 1, NEAR))
            factors = 10 ** (torch.minimum(change, bound) / 20)
            curve = F.interpolate(factors[None], size=len(padded), mode="linear")[0, 0]
            own = slice(begin - first, min(begin - first + size, len(part)))
            yield part[own] * curve[own]

    @property
    def _begun(self) -> torch.Tensor:
        """The hops at which notes begin: (notes,)."""
        return self._notes[0]

    @property
    def _attacks(self) -> torch.Tensor:
        """dB of each note under its passage: (notes,)."""
        return self._notes[1]

    @cached_property
    def _notes(self) -> tuple[torch.Tensor, torch.Tensor]:
        begun = onsets(self.source, self.source.rate)
        attacks = _attacks(self.source.levels.clamp(min=SOFTEST) - self._passages[0], begun)
        heard = attacks > SOFT  # what ends at once is an onset, too
        return begun[heard], attacks[heard]

    @cached_property
    def _passages(self) -> torch.Tensor:
        """dB of what is loudest about each hop, (1, hops)."""
        return loudest(self.source.levels[None].clamp(min=SOFTEST), self._reach)

    @cached_property
    def _bound(self) -> torch.Tensor:
        """What a rendering's peak may be in each hop, in dB of its level: (hops,)."""
        before, second = round(HOLD * self.source.rate / HOP), self.source.rate / HOP
        held = F.pad(self.source.levels, (before, EARLY), value=LOWEST)[None]
        held = F.max_pool1d(held, before + EARLY + 1, 1)[0].double()
        fallen = CLOSED / RELEASE / second * torch.arange(len(held))
        held = (held + fallen).cummax(dim=0).values - fallen
        return (SLOPE * (held - SOFT)).float()


def _attacks(levels: torch.Tensor, begun: torch.Tensor) -> torch.Tensor:
    """The highest of the levels (hops,) `TAIL` to `ATTACK` hops after each of `begun`: (notes,)."""
    padded = F.pad(levels, (0, ATTACK), value=float(levels[-1]))
    return F.max_pool1d(padded[None, TAIL:], ATTACK - TAIL + 1, 1)[0][begun]
