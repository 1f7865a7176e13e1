"""Straightens bent pitches (vibrato, slides, scoops, trills) for models, and bends renderings again."""

import itertools
import math
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from msdae.audio import pitch, temperament
from msdae.audio.periods import periods
from msdae.audio.resample import resample
from msdae.audio.windows import Changed, cut

LOUD = 0.96  # quantile of the frames' power that counts as loud; louder frames may be clicks
QUIET = 1e-4  # share of the loud power below which a frame has no pitch
LEAP = 300.0  # cents; a larger step between frames begins another phrase
FILLED = 4  # frames, 46 ms; a gap without a pitch that is no longer has the pitch of what is nearest
SHORTEST = 7  # frames of the shortest phrase that may bend: 80 ms
STEADY = 25.0  # cents, within four frames, from which on a pitch moves; below, it is held
MOVING = 0.1  # weight of a frame whose pitch moves; one whose pitch is held has 1
FAR = 200.0  # cents from a key; frames farther away count no more
CHANGE = 325.0  # what another key costs, in cents times frames that are held
MOST = 1200.0  # cents of the largest bend
LEAST = 15.0  # cents; a note that bends less is left alone
GLIDE = 60.0  # cents from its key; from there on a pitch glides
# A frame is part of a single line if more than `MOSTLY` of the audible frames within `AROUND` have a pitch.
AROUND, MOSTLY = 86, 0.6  # frames to either side (2 s in all), share
GAP = 21  # frames, 0.24 s; across a gap without a pitch that is no longer, bends are interpolated
RING = 8  # frames in which a bend fades away in a longer gap, from either side
OVER, TAPS = 2, 6  # oversampling factor, and samples per interpolating polynomial
TOGETHER = 1 << 16  # samples that are made at once


class Map(NamedTuple):
    """Matching places in samples, (points,) each, rising.

    `straightened[n]` is the place of sample `original[n]` of a recording after its pitch is straightened.
    """

    original: np.ndarray
    straightened: np.ndarray


class Straightened(Changed):
    """`source`, played at a varying speed that moves its pitch onto keys, wherever it is a single line.

    Raises:
        UserError: at the first use, if the source's `blocks` raises it.
    """

    @property
    def samples(self) -> int:
        """Its length, which differs from the source's if anything bends."""
        return self.source.samples if self._map is None else max(1, round(float(self._map.straightened[-1])))

    def blocks(self) -> Iterator[torch.Tensor]:
        if self._map is None:
            return self.source.blocks()
        return _warped(
            self.source.blocks(), self.rate, self.samples, new=self._map.straightened, old=self._map.original
        )

    def restored(self, blocks: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """A rendering of this length, bent like the source and of the source's length; blocks (samples,)."""
        if self._map is None:
            return iter(blocks)
        return _warped(
            blocks, self.rate, self.source.samples, new=self._map.original, old=self._map.straightened
        )

    @property
    def gliding(self) -> float:
        """The share of the time with a pitch in which it glides far from its key, 0 to 1."""
        _, bends, line = self._bends
        return float((np.abs(bends[line]) > GLIDE).mean()) if line.any() else 0.0

    @cached_property
    def _bends(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Times of frames in seconds, their bends in cents, and which have the pitch of a line: (frames,)"""
        seconds, hertz, power = (values.numpy() for values in periods(self.source, self.rate))
        audible = power >= QUIET * np.quantile(power, LOUD)
        pitched = audible & (hertz > 0)
        line = pitched & (_around(pitched) > MOSTLY * _around(audible))
        return seconds, bent(np.where(line, 100 * temperament.pitch(hertz), np.nan)), line

    @cached_property
    def _map(self) -> Map | None:
        """The map between source and straightened source; None if nothing bends."""
        seconds, bends, _ = self._bends
        if not bends.any():
            return None
        there = np.concatenate([[0], self.rate * seconds, [self.source.samples]])
        ratio = 2 ** (np.pad(bends, 1, mode="edge") / 1200)
        here = np.concatenate([[0], np.cumsum(np.diff(there) * (ratio[1:] + ratio[:-1]) / 2)])
        return Map(there, here)


def bent(cents: np.ndarray) -> np.ndarray:
    """The bend of each frame, in cents above its key: (frames,)

    cents: pitches in cents above MIDI pitch 0, NaN without a pitch, (frames,).
    """
    bends = np.full(len(cents), np.nan)
    filled = _filled(cents)
    for first, last in _phrases(filled):
        bends[first:last] = _from_keys(filled[first:last])
    for first, last in pitch.runs(np.isnan(bends)):
        begins, ends = first == 0, last == len(bends)
        if begins or ends or last - first > GAP:
            bends[first if begins else first + RING : last if ends else max(first, last - RING)] = 0
    known = np.flatnonzero(~np.isnan(bends))
    return np.interp(np.arange(len(bends)), known, bends[known]) if len(known) else np.zeros(len(bends))


def _around(marks: np.ndarray) -> np.ndarray:
    """The number of marked frames within `AROUND` of each frame; both (frames,)."""
    return np.convolve(marks, np.ones(2 * AROUND + 1))[AROUND:-AROUND]


def _filled(cents: np.ndarray) -> np.ndarray:
    """`cents` with short gaps filled, (frames,) both."""
    filled = cents.copy()
    for first, last in pitch.runs(np.isnan(cents)):
        if first and last < len(cents) and last - first <= FILLED:
            middle = (first + last) // 2
            filled[first:middle], filled[middle:last] = cents[first - 1], cents[last]
    return filled


def _phrases(cents: np.ndarray) -> list[tuple[int, int]]:
    """(first frame, frame after the last) of each phrase, in which no pitch is missing or leaps."""
    apart = ~(np.abs(np.diff(cents)) <= LEAP)
    edges = np.concatenate([[0], 1 + np.flatnonzero(apart), [len(cents)]])
    return [(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True) if b - a >= SHORTEST]


def _from_keys(phrase: np.ndarray) -> np.ndarray:
    """The bends of a phrase, in cents above its keys; both (frames,)."""
    keys = _keys(phrase)
    bends = np.clip(phrase - keys, -MOST, MOST)
    for note in np.split(bends, 1 + np.flatnonzero(np.diff(keys))):
        if np.quantile(np.abs(note), 0.9) <= LEAST:
            note[:] = 0
    return bends


def _keys(phrase: np.ndarray) -> np.ndarray:
    """The key of each frame of a phrase, in cents: (frames,) both.

    They are as near to the pitches as possible if each change of key costs `CHANGE` (dynamic programming), so
    that slow slides move from key to key, while vibrato, scoops and fast trills bend one key.
    """
    padded = np.pad(phrase, 2, mode="edge")
    weights = np.where(np.abs(padded[4:] - padded[:-4]) < STEADY, 1.0, MOVING)
    keys = 100 * np.arange(np.floor(phrase.min() / 100), np.ceil(phrase.max() / 100) + 1)
    costs = weights[:, None] * np.minimum(np.abs(phrase[:, None] - keys), FAR)
    total, own, before = costs[0], np.arange(len(keys)), np.zeros(costs.shape, int)
    for frame, cost in enumerate(costs[1:], start=1):
        best = total.argmin()
        moved = total[best] + CHANGE
        before[frame] = np.where(total <= moved, own, best)
        total = cost + np.minimum(total, moved)
    path = [int(total.argmin())]
    for row in before[:0:-1]:
        path.append(int(row[path[-1]]))
    return keys[path[::-1]]


def _warped(
    blocks: Iterable[torch.Tensor], rate: int, samples: int, *, new: np.ndarray, old: np.ndarray
) -> Iterator[torch.Tensor]:
    """One signal, warped to `samples` samples: at the places `new` it has what was at the places `old`.

    blocks: the signal at `rate` Hz, (samples,) each, like the result. new, old: rising, (points,).
    """
    begins = list(range(0, samples, TOGETHER))
    edges = OVER * np.interp([*begins, samples], new, old)
    firsts = [max(0, int(edge) - TAPS) for edge in edges[:-1]]
    size = int(np.diff(edges).max()) + 3 * TAPS
    sounds = cut(resample(blocks, rate, OVER * rate), firsts, size)
    for begin, first, sound in zip(begins, firsts, sounds, strict=True):
        places = OVER * np.interp(np.arange(begin, min(begin + TOGETHER, samples)), new, old)
        yield _at(sound, torch.from_numpy(places - first))


def _at(sound: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """The values of a signal (samples,) at fractional `places`, (n,), by Lagrange interpolation: (n,)

    The weight of a tap is the product of the distances to all other taps (`below`: to those before it,
    `above`: to those after it), divided by a constant.
    """
    before = places.floor()
    rest, before = (places - before).float(), before.long()
    taps = range(1 - TAPS // 2, 1 + TAPS // 2)
    padded = F.pad(sound[None], (TAPS, TAPS), mode="replicate")[0]
    distances = [rest - tap for tap in taps]
    below = list(itertools.accumulate(distances, torch.mul, initial=torch.ones(())))
    above = list(itertools.accumulate(reversed(distances), torch.mul, initial=torch.ones(())))[::-1]
    values = torch.zeros(len(places))
    for n, tap in enumerate(taps):
        scale = math.prod(tap - other for other in taps if other != tap)
        values.addcmul_(below[n] * above[n + 1], padded[before + (TAPS + tap)], value=1 / scale)
    return values
