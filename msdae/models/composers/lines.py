"""What composers of single lines share: notes with durations as symbols, and their places in time."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from msdae.errors import UserError
from msdae.symbolic.notes import Score
from msdae.symbolic.tokens import BAR, BEGIN, END, REST, SIXTEENTH, TICKS, Durations, Line, melody, part_of

DURATIONS = 32  # in a vocabulary, at the most
PLACES = 48  # sixteenths of twelve quarters, after which bars of three and of four begin together
SHIFTS = range(-6, 7)  # semitones of transposition in training
TEMPO = 100.0  # quarters a minute of what is composed
OUTSIDE = -100  # symbols that no loss counts, as of torch's cross-entropy


def count(scores: Sequence[Score]) -> dict[str, Any]:
    """The vocabulary of lines: their durations in ticks, and the range of their pitches."""
    lines = [melody(score) for score in scores]
    pitches = [pitch for symbols in lines for pitch, _ in symbols if pitch < REST]
    if not pitches:
        raise UserError("the pieces have no notes; give others")
    return {"ticks": list(Durations.of(lines, DURATIONS).ticks), "low": min(pitches), "high": max(pitches)}


def durations(vocabulary: Mapping[str, Any]) -> Durations:
    """The durations of a vocabulary; raises a ValueError where it has none."""
    ticks = tuple(int(tick) for tick in vocabulary["ticks"])
    if not 0 < len(ticks) <= DURATIONS or any(not 0 < tick <= 64 * TICKS for tick in ticks):
        raise ValueError("its durations are none")
    return Durations(ticks)


def encoded(symbols: Line, vocabulary: Durations) -> np.ndarray:
    """A line, from BEGIN to END: (length, 3) of pitch symbol, number of the duration, and place of its onset.

    BEGIN and END have duration 0.
    """
    rows, now = [(BEGIN, 0, 0)], 0
    for pitch, ticks in symbols:
        number = vocabulary.index(ticks)
        rows.append((pitch, number, place(now)))
        now += vocabulary.ticks[number]
    return np.array([*rows, (END, 0, place(now))], np.int64)


def place(ticks: int) -> int:
    """The place, in sixteenths of twelve quarters, of a time in ticks."""
    return ticks // SIXTEENTH % PLACES


def transposed(pitches: np.ndarray, low: int, high: int, rng: np.random.Generator) -> np.ndarray:
    """Pitch symbols moved by a number of semitones within `SHIFTS`, not beyond MIDI's pitches."""
    sounding = pitches < REST
    notes = pitches[sounding]
    if not len(notes):
        return pitches
    shift = int(np.clip(rng.integers(SHIFTS.start, SHIFTS.stop), -notes.min(), 127 - notes.max()))
    return np.where(sounding, pitches + shift, pitches)


def whole(symbols: Line, quarters: float, tempo: float) -> Score:
    """The score of a line, cut to so many quarters."""
    notes = [note for note in part_of(symbols) if note.onset < quarters]
    last = [n._replace(duration=min(n.duration, quarters - n.onset)) for n in notes]
    return Score((last,) if last else (), tempo)


def end_of(prompt: Score | None) -> tuple[Line, float]:
    """The line of a prompt and its length in quarters, whole bars; nothing without one."""
    if prompt is None:
        return [], 0.0
    symbols = melody(prompt)
    return symbols, sum(ticks for _, ticks in symbols) / TICKS


def length(bars: int) -> float:
    """Quarters of so many bars."""
    return float(BAR * bars)


def tempo(prompt: Score | None) -> float:
    """Of a prompt, or the default one."""
    return TEMPO if prompt is None else prompt.tempo


def flowing(symbols: Line, kept: int) -> Line:
    """Rests that were drawn, after `kept` symbols, are a quarter long at the most: a tune does not stop."""
    drawn = [(pitch, min(ticks, TICKS) if pitch == REST else ticks) for pitch, ticks in symbols[kept:]]
    return [*symbols[:kept], *drawn]
