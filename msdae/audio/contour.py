"""Gives renderings the dynamics of their sources: loud and soft passages, notes, and pauses."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

import torch
import torch.nn.functional as F

from msdae.audio.dynamics import REACH, loudest
from msdae.audio.levels import HOP, LOWEST, SILENT, Levelled, decibels
from msdae.audio.onsets import onsets
from msdae.audio.tonality import tonal
from msdae.audio.windows import surrounded

# Pauses: how loud a rendering may be where its source is soft.
HOLD = 0.5  # seconds for which a sound's level is held before a pause begins
RELEASE, CLOSED = 1.0, 60.0  # at the beginning of a pause the bound falls by `CLOSED` dB in `RELEASE` seconds
EARLY = 2  # hops by which a pause ends, or a note begins, before it is heard
SOFT = -20.0  # dB against the source's level; below it the source is soft
SLOPE = 3.0  # dB by which a rendering is softer for each dB that its source is below `SOFT`
TONES = 10.0  # dB added to levels of tones below `SOFT`, at most up to it, as notes may decay
NEAR = 2  # hops to either side whose peaks count for a hop
# Passages: how loud a rendering is against its own level.
EVEN = 1.0  # dB by which a passage may be louder than the source's
SOFTEST = 1.5 * SOFT  # dB of the lowest level that is compared, as `SLOPE` limits lower ones
TOGETHER = 512  # hops that are changed at once
# Notes: how much softer they are than their passage.
TAIL, ATTACK = 1, 18  # hops after an onset, up to 0.2 s, in which its note is measured
BEFORE = 6  # hops before an onset in which the level dips
LONG_BEFORE = 20  # hops before an onset, from which on the level before the dip is measured
RISE = 3.0  # dB by which the level changes at an onset, at least
DIP = 1.0  # dB by which the level dips before an onset that is louder ...
SILENCE = -20.0  # ... unless it is below so many dB there
SLOW = 12  # hops, 0.14 s; two onsets that are closer are one slow attack
SOFTER = -15.0  # dB, the largest change of a note
CLEAR = 2.0  # dB, the difference from the source that is left as it is


class Notes(NamedTuple):
    """The notes of a source: (notes,) each.

    begun, ends: hops; a note is measured from `TAIL` after its beginning to its end. levels: dB of a note's
    peak relative to its passage.
    """

    begun: torch.Tensor
    ends: torch.Tensor
    levels: torch.Tensor


class Contour:
    """The contour of a source: its loudness over time, and the levels of its notes."""

    def __init__(self, source: Levelled):
        self.source = source
        self._reach = round(REACH * source.rate / HOP)

    def followed(
        self, blocks: Iterable[torch.Tensor], level: float, notes: bool = True
    ) -> Iterator[torch.Tensor]:
        """A rendering of the source's length with the source's contour, as blocks (samples,).

        Relative to the level of the rendering, a passage is no louder than the source's passage, and a note
        is about as much softer than its passage as in the source. Where the source is x dB below `SOFT`, the
        rendering is at least `SLOPE` * x dB below its level, so that room noise in a pause does not become
        notes. Tones may be `TONES` dB softer before that.

        blocks: the rendering, (samples,) each. level: its peak where the source is loud. notes: whether it
            plays the source's notes.
        """
        margin, size = (3 * self._reach + EARLY + 1) * HOP, TOGETHER * HOP
        begun = self._notes.begun if notes else torch.zeros(0, dtype=torch.long)
        changes, done = torch.zeros(1 + len(begun)), 0  # dB: before the first note, and of each note
        for begin, first, part in surrounded(blocks, self.source.samples, size, margin):
            padded = F.pad(part, (0, -len(part) % HOP))
            peaks = padded.view(1, -1, HOP).abs().amax(dim=2) / max(level, SILENT)
            hops = torch.arange(first // HOP, first // HOP + peaks.shape[1])
            levels = decibels(peaks).clamp(min=SOFTEST)
            passages = loudest(levels, self._reach)
            last = int(torch.searchsorted(begun, begin // HOP + TOGETHER + EARLY, right=True))
            if last > done:
                new = self._changes(slice(done, last), levels - passages, first // HOP)
                changes[1 + done : 1 + last] = new
            done, before = last, torch.searchsorted(begun[:last], hops + EARLY, right=True)
            age = (hops - F.pad(begun, (1, 0))[before]) / (2 * self._reach)
            note = changes[before] * (1 - age).clamp(0, 1)  # after 3 s it is part of its passage
            change = (self._passages[:, hops] + EVEN - passages).clamp(max=0) + note
            bound = self._bound[hops] - decibels(F.max_pool1d(peaks, 2 * NEAR + 1, 1, NEAR))
            factors = 10 ** (torch.minimum(change, bound) / 20)
            curve = F.interpolate(factors[None], size=len(padded), mode="linear")[0, 0]
            inner = slice(begin - first, min(begin - first + size, len(part)))
            yield part[inner] * curve[inner]

    def _changes(self, which: slice, levels: torch.Tensor, first: int) -> torch.Tensor:
        """The changes in dB of some notes of a rendering: (notes,).

        levels: dB of the rendering relative to its passages, from hop `first` on: (1, hops).
        """
        begun, ends, wanted = (values[which] for values in self._notes)
        own = _highest(levels[0], begun + TAIL - first, ends - first)
        return F.softshrink(wanted - own, CLEAR).clamp(SOFTER, 0)

    @cached_property
    def _notes(self) -> Notes:
        """The notes: onsets at which the level changes, and the peak from each to the next.

        Onsets within a note that swells or has vibrato are left out, and so are those of sounds that end at
        once.
        """
        levels = self.source.levels.clamp(min=SOFTEST) - self._passages[0]
        begun = onsets(self.source, self.source.rate)
        begun = begun[begun < len(levels) - TAIL - 1]
        after = _highest(levels, begun + TAIL, begun + ATTACK)
        least = -_highest(-levels, begun - BEFORE, begun + TAIL + 1)
        before = _highest(levels, begun - LONG_BEFORE, begun - BEFORE)
        louder = (after - least > RISE) & ((least < before - DIP) | (least < SILENCE))
        softer = (before - after > RISE) & (after > SILENCE)
        begun = begun[louder | softer | (begun < BEFORE)]
        following = F.pad(begun[1:] - EARLY, (0, 1), value=len(levels))
        ends = torch.minimum(following, begun + self._reach).maximum(begun + TAIL + 1)
        ends[:-1] = torch.where(begun.diff() < SLOW, ends[1:], ends[:-1])
        return Notes(begun, ends, _highest(levels, begun + TAIL, ends))

    @cached_property
    def _passages(self) -> torch.Tensor:
        """The level in dB of the passage about each hop: (1, hops)"""
        return loudest(self.source.levels[None].clamp(min=SOFTEST), self._reach)

    @cached_property
    def _bound(self) -> torch.Tensor:
        """The highest peak allowed to a rendering in each hop, in dB of its level: (hops,)"""
        before, second = round(HOLD * self.source.rate / HOP), self.source.rate / HOP
        levels = self.source.levels
        soft = (levels < SOFT) & (levels > SOFT - CLOSED)
        levels = levels + (SOFT - levels).clamp(0, TONES) * tonal(self.source, self.source.rate, soft)
        held = F.pad(levels, (before, EARLY), value=LOWEST)[None]
        held = F.max_pool1d(held, before + EARLY + 1, 1)[0].double()
        fallen = CLOSED / RELEASE / second * torch.arange(len(held))
        held = (held + fallen).cummax(dim=0).values - fallen
        return (SLOPE * (held - SOFT)).float()


def _highest(levels: torch.Tensor, firsts: torch.Tensor, lasts: torch.Tensor) -> torch.Tensor:
    """The highest level (hops,) from each of `firsts` to before each of `lasts`: (notes,)"""
    if not len(firsts):
        return torch.zeros(0)
    hops = firsts[:, None] + torch.arange(int((lasts - firsts).max()))
    values = levels[hops.clamp(0, len(levels) - 1)]
    return values.masked_fill(hops >= lasts[:, None], -torch.inf).amax(dim=1)
