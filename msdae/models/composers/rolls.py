"""What composers of piano rolls share: excerpts of chorales as rolls, and the way back to a score."""

from collections.abc import Sequence

import numpy as np

from msdae.symbolic.notes import Score
from msdae.symbolic.tokens import BAR, STEPS, cut_at, score_of_roll, whole_tune

TEMPO = 80.0  # quarters a minute of what is composed
SHIFTS = range(-5, 7)  # semitones of transposition in training
PER_BAR = BAR * STEPS  # steps


def cut(roll: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """An excerpt of `length` steps that begins with a random bar, transposed; after its end there is silence.

    roll: (steps, pitches, ...) -> (length, pitches, ...). No note is moved out of the roll.
    """
    start = int(rng.integers(max(1, len(roll) - length + PER_BAR))) // PER_BAR * PER_BAR
    part = roll[start : start + length]
    part = np.pad(part, [(0, length - len(part)), *[(0, 0)] * (roll.ndim - 1)])
    sounding = np.flatnonzero(part.reshape(length, roll.shape[1], -1).any(axis=(0, 2)))
    if not len(sounding):
        return part
    room = -int(sounding.min()), roll.shape[1] - 1 - int(sounding.max())
    return np.roll(part, int(np.clip(rng.integers(SHIFTS.start, SHIFTS.stop), *room)), axis=1)


def joined(rolls: Sequence[np.ndarray], low: int, bars: int, parts: int = 1) -> Score:
    """The score of rolls (steps, pitches) one after the other, cut to `bars` bars.

    low: MIDI pitch of the first column. parts: how many parts the score gets.
    """
    active = np.concatenate(rolls)[: bars * PER_BAR]
    return score_of_roll(active, low, TEMPO, parts)


def phrases(scores: Sequence[Score], bars: int) -> Score:
    """The score of phrases of two bars, one after the other, cut to `bars` bars."""
    tune, end = whole_tune(scores, TEMPO), float(bars * BAR)
    parts = (cut_at(part, end) for part in tune.parts)
    return Score(tuple(part for part in parts if part), TEMPO)
