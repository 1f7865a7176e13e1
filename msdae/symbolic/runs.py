"""Runs of notes that pieces have, in whatever key: to know a copy, and to leave one out while composing."""

from collections.abc import Iterable
from itertools import groupby

import numpy as np

from msdae.symbolic.notes import Score
from msdae.symbolic.tokens import LINE_REST, REST, SIXTEENTH, Line, line, part_of

RUN = 8  # notes in a row that may be alike without one being a copy
PITCHES = 128
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 by the golden ratio
HIGH = np.uint64(32)  # the bits of a hash that are kept are its highest


def intervals(symbols: Line) -> list[tuple[int, int]]:
    """The (interval to the note before, duration in ticks) of each note from the second one on."""
    notes = [(pitch, ticks) for pitch, ticks in symbols if pitch != REST]
    return [(b[0] - a[0], b[1]) for a, b in zip(notes[:-1], notes[1:], strict=True)]


def line_of_steps(pitches: Iterable[int]) -> Line:
    """The line of what sounds at each sixteenth, MIDI pitches, `REST` or `LINE_REST`; equal neighbours are
    one."""
    return [
        (REST if pitch == LINE_REST else pitch, SIXTEENTH * len(list(same)))
        for pitch, same in groupby(pitches)
    ]


class Runs:
    """All runs of `RUN` + 1 notes in pieces, as hashes of 32 bits: of a million runs that are in no piece,
    one to twenty are taken for one that is.

    A run is the interval to each of its notes but the first, and the duration of each but the first and the
    last: neither keys nor how long the last note is held count.

    Args:
        hashes: int32, (count,).
    """

    def __init__(self, hashes: np.ndarray):
        self.hashes = np.unique(np.asarray(hashes, np.int32))

    @staticmethod
    def of(scores: Iterable[Score]) -> "Runs":
        """The runs in all parts of scores."""
        found = [np.zeros(0, np.int32)]
        for table in (np.array(intervals(line(part)), np.int64) for score in scores for part in score.parts):
            if len(table) >= RUN:
                windows = [table[first : len(table) - RUN + 1 + first] for first in range(RUN)]
                found.append(_hashes(np.concatenate(windows, axis=1)[:, :-1]))
        return Runs(np.concatenate(found))

    def completed_by(self, symbols: Line, held: bool = False) -> np.ndarray:
        """Which pitches, as the next note of a line, complete a run that the pieces have: (128,) of bool

        held: the last pitch again is no next note, but the last one held.
        """
        recent = _recent(symbols)
        if recent is None:
            return np.zeros(PITCHES, bool)
        steps = intervals(line(part_of([*recent, (0, SIXTEENTH)])))
        notes = [pitch for pitch, _ in recent if pitch != REST]
        known = np.tile(np.array(steps[:-1], np.int64).flatten(), (PITCHES, 1))
        hashes = _hashes(np.column_stack([known, np.arange(PITCHES) - notes[-1]]))
        places = np.searchsorted(self.hashes, hashes).clip(max=max(0, len(self.hashes) - 1))
        completed = self.hashes[places] == hashes if len(self.hashes) else np.zeros(PITCHES, bool)
        if held and symbols[-1][0] != REST:
            completed[symbols[-1][0]] = False
        return completed


def _recent(symbols: Line) -> Line | None:
    """The end of a line that has `RUN` notes, beginning with one; None where it has fewer."""
    notes = 0
    for place in range(len(symbols) - 1, -1, -1):
        notes += symbols[place][0] != REST
        if notes == RUN:
            return symbols[place:]
    return None


def _hashes(rows: np.ndarray) -> np.ndarray:
    """Hashes of rows of whole numbers: (count, columns) -> int32 (count,)"""
    value = np.zeros(len(rows), np.uint64)
    for column in rows.astype(np.uint64).T:  # a negative number wraps
        value = (value ^ column) * MULTIPLIER
        value ^= value >> HIGH
    return (value * MULTIPLIER >> HIGH).astype(np.uint32).view(np.int32)
