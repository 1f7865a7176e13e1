"""What composers of single lines share: notes with durations as symbols, and their places in time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from msdae.errors import UserError
from msdae.symbolic.notes import Score
from msdae.symbolic.tokens import (
    BAR,
    BEGIN,
    END,
    REST,
    SIXTEENTH,
    TICKS,
    Durations,
    Line,
    cut_at,
    highest,
    line,
    melody,
    part_of,
    tied,
)

DURATIONS = 32  # how many a vocabulary has at most
PLACES = 48  # sixteenths of twelve quarters, after which bars of three and of four begin together
SHIFTS = range(-6, 7)  # semitones of transposition in training
TEMPO = 100.0  # quarters a minute of what is composed
OUTSIDE = -100  # the symbol that torch's cross-entropy leaves out


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
    """A line from BEGIN to END, (length, 3): pitch symbol, number of its duration, and place of its onset.

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


def excerpt(piece: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """`length` symbols from a random place in a piece, transposed; OUTSIDE after its end: (length, any)"""
    start = int(rng.integers(max(1, len(piece) - length + 1)))
    part = piece[start : start + length].copy()
    part[:, 0] = transposed(part[:, 0], rng)
    return np.pad(part, ((0, length - len(part)), (0, 0)), constant_values=OUTSIDE)


def transposed(pitches: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pitch symbols moved by a number of semitones within `SHIFTS`, not beyond MIDI's pitches."""
    sounding = pitches < REST
    notes = pitches[sounding]
    if not len(notes):
        return pitches
    shift = int(np.clip(rng.integers(SHIFTS.start, SHIFTS.stop), -notes.min(), 127 - notes.max()))
    return np.where(sounding, pitches + shift, pitches)


class Tunes:
    """Lines that are being composed, `count` at once, until each is `bars` bars long.

    prompt: the score that each begins with, whose notes keep their onsets and lengths. durations: those that
    may be drawn.
    """

    def __init__(self, count: int, bars: int, prompt: Score | None, durations: Durations):
        self.given = [] if prompt is None else melody(prompt)
        self.prompt, self.known, self.start = prompt or Score((), TEMPO), [], 0
        if prompt is not None:
            part = highest(prompt)
            whole, first = line(part, math.inf), round(min(note.onset for note in part) * TICKS)
            self.known, self.start = part_of(whole, first), first + sum(ticks for _, ticks in whole)
        begin = sum(ticks for _, ticks in self.given)
        self.length = BAR * bars * TICKS
        self.end, self.durations = begin + self.length, durations
        self.drawn: list[Line] = [[] for _ in range(count)]
        self.now = [begin] * count

    @property
    def complete(self) -> bool:
        """Whether all lines are long enough."""
        return min(self.now) >= self.end

    @property
    def written(self) -> list[Line]:
        """The symbols that each line has so far, those of the prompt included."""
        return [[*self.given, *symbols] for symbols in self.drawn]

    def places(self) -> torch.Tensor:
        """Where the next notes begin: (count, 1) sixteenths of twelve quarters."""
        return torch.tensor([[place(now)] for now in self.now])

    def add(self, pitches: torch.Tensor, numbers: torch.Tensor) -> None:
        """A symbol for each line: its pitch symbol and the number of its duration, (count,) each.

        Rests are a quarter long at the most: a tune does not stop.
        """
        for row, (pitch, number) in enumerate(zip(pitches.tolist(), numbers.tolist(), strict=True)):
            ticks = self.durations.ticks[number]
            ticks = min(ticks, TICKS) if pitch == REST else ticks
            self.drawn[row].append((pitch, ticks))
            self.now[row] += ticks

    def scores(self, joint: bool = False) -> list[Score]:
        """The lines, cut to their length. joint: neighbours of equal pitch are one note."""
        scores, end = [], (self.start + self.length) / TICKS
        for symbols in self.drawn:
            notes = part_of(joined(symbols) if joint else symbols, self.start)
            notes = cut_at(notes, end)
            part = tied(self.known, notes) if joint else [*self.known, *notes]
            scores.append(replace(self.prompt, parts=(part,) if part else ()))
        return scores


def joined(symbols: Line) -> Line:
    """The line with neighbours of equal pitch as one note."""
    whole: Line = []
    for pitch, ticks in symbols:
        if whole and whole[-1][0] == pitch:
            whole[-1] = (pitch, whole[-1][1] + ticks)
        else:
            whole.append((pitch, ticks))
    return whole
