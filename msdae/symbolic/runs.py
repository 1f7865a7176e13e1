"""Runs of notes that occur in given pieces, in any key: to detect copies, and to avoid them in composing."""

from collections.abc import Iterable
from itertools import groupby

import numpy as np

from msdae.symbolic.notes import Score
from msdae.symbolic.tokens import LINE_REST, REST, SIXTEENTH, Line, line, part_of

RUN = 8  # consecutive notes that may be shared with a piece without counting as a copy
PITCHES = 128
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio
HIGH = np.uint64(32)  # shift that keeps the upper half of a 64-bit hash


def intervals(symbols: Line) -> list[tuple[int, int]]:
    """(interval from the previous note, duration in ticks) of each note but the first; rests are skipped."""
    notes = [(pitch, ticks) for pitch, ticks in symbols if pitch != REST]
    return [(b[0] - a[0], b[1]) for a, b in zip(notes[:-1], notes[1:], strict=True)]


def line_of_steps(pitches: Iterable[int]) -> Line:
    """The line of a voice given by sixteenths; equal neighbours become one note or rest.

    pitches: a MIDI pitch, `REST` or `LINE_REST` for each sixteenth.
    """
    return [
        (REST if pitch == LINE_REST else pitch, SIXTEENTH * len(list(same)))
        for pitch, same in groupby(pitches)
    ]


class Runs:
    """All runs of `RUN` + 1 notes in pieces, as 32-bit hashes.

    Hashes collide: one to twenty in a million runs that no piece has are taken for one of a piece.

    A run is described by the intervals between its notes and by the durations of all notes but the first and
    the last, so that its key, its rests and the length of its last note do not matter.

    Args:
        hashes: int32, (count,).
    """

    def __init__(self, hashes: np.ndarray):
        self.hashes = np.unique(np.asarray(hashes, np.int32))

    @staticmethod
    def of(scores: Iterable[Score]) -> "Runs":
        """The runs in all parts of the scores."""
        found = [np.zeros(0, np.int32)]
        for table in (np.array(intervals(line(part)), np.int64) for score in scores for part in score.parts):
            if len(table) >= RUN:
                windows = [table[first : len(table) - RUN + 1 + first] for first in range(RUN)]
                found.append(_hashes(np.concatenate(windows, axis=1)[:, :-1]))
        return Runs(np.concatenate(found))

    def completed_by(self, symbols: Line, held: bool = False) -> np.ndarray:
        """Whether each MIDI pitch, as the next note of a line, completes a run of the pieces: bool, (128,)

        held: whether repeating the last pitch prolongs its note instead of beginning another one.
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
    """The end of a line from its `RUN`th last note on; None if the line has fewer notes."""
    notes = 0
    for place in range(len(symbols) - 1, -1, -1):
        notes += symbols[place][0] != REST
        if notes == RUN:
            return symbols[place:]
    return None


def _hashes(rows: np.ndarray) -> np.ndarray:
    """Hashes of rows of integers: (count, columns) -> int32 (count,)"""
    value = np.zeros(len(rows), np.uint64)
    for column in rows.astype(np.uint64).T:  # negative numbers wrap around
        value = (value ^ column) * MULTIPLIER
        value ^= value >> HIGH
    return (value * MULTIPLIER >> HIGH).astype(np.uint32).view(np.int32)
