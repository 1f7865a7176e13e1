"""Scores as numbers and back: lines of (pitch, duration), steps of a sixteenth, and piano rolls."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from msdae.errors import UserError
from msdae.symbolic.notes import Part, Score, ScoreNote

TICKS = 24  # per quarter note: a sixteenth has 6, an eighth of a triplet 8
STEPS = 4  # per quarter note: a step is a sixteenth
BAR = 4  # quarter notes
SIXTEENTH = TICKS // STEPS
SHORTEST_REST = SIXTEENTH // 2  # ticks; a shorter rest is a matter of articulation
LONGEST = 8 * TICKS  # ticks of the longest note or rest
REST, BEGIN, END = 128, 129, 130  # symbols beside the MIDI pitches
PITCHES = 131  # number of pitch symbols
LEAP = 7  # semitones; a larger leap begins another part
LINE_REST = -1  # a rest among the pitches of `steps` and `voices`

Line = list[tuple[int, int]]  # (MIDI pitch or REST, ticks) of consecutive notes and rests


def bar_count(score: Score) -> int:
    """The number of bars of a score; a bar that is begun counts."""
    return int(np.ceil(score.quarters / BAR - 1e-6))


def line(part: Part, longest: float = LONGEST) -> Line:
    """The line of a part: its highest notes and the rests between them, from its first note on.

    A note ends at the latest where the next one begins; a rest shorter than `SHORTEST_REST` goes to the note
    before it.

    longest: ticks to which notes and rests are cut; infinity for no limit.
    """
    notes: list[tuple[int, int, int]] = []  # onset, end, pitch
    for note in sorted(part, key=lambda note: (round(note.onset * TICKS), -note.pitch)):
        onset = round(note.onset * TICKS)
        end = max(onset + 1, round((note.onset + note.duration) * TICKS))
        if notes and onset < notes[-1][1]:
            if onset == notes[-1][0]:
                continue  # a lower note of the same chord
            notes[-1] = (notes[-1][0], onset, notes[-1][2])
        notes.append((onset, end, note.pitch))
    symbols: Line = []
    for place, (onset, end, pitch) in enumerate(notes):
        following = notes[place + 1][0] if place + 1 < len(notes) else end
        rest = following - end
        if rest < SHORTEST_REST:
            end, rest = following, 0
        symbols.append((pitch, min(longest, end - onset)))
        if rest:
            symbols.append((REST, min(longest, rest)))
    return symbols


def part_of(symbols: Iterable[tuple[int, int]], now: int = 0) -> list[ScoreNote]:
    """The notes of a line that begins at tick `now`."""
    notes = []
    for pitch, ticks in symbols:
        if pitch < REST:
            notes.append(ScoreNote(now / TICKS, ticks / TICKS, pitch))
        now += ticks
    return notes


def tied(part: Part, following: Part) -> list[ScoreNote]:
    """A part and its continuation, joined; their last and first note become one if they touch on one pitch.

    following: notes with onsets counted from the beginning of the part.
    """
    first, last = (following[:1] or [None])[0], max(part, key=lambda note: note.onset, default=None)
    if first is None or last is None or first.pitch != last.pitch or first.onset > last.onset + last.duration:
        return [*part, *following]
    held = last._replace(duration=first.onset + first.duration - last.onset)
    return [*(note for note in part if note is not last), held, *following[1:]]


def cut_at(part: Part, end: float) -> list[ScoreNote]:
    """The notes of a part that begin before `end` (quarter lengths), cut at `end`."""
    return [note._replace(duration=min(note.duration, end - note.onset)) for note in part if note.onset < end]


def highest(score: Score) -> Part:
    """The part with the highest mean pitch.

    Raises:
        UserError: the score has no notes.
    """
    if not score.parts:
        raise UserError("the score has no pitched notes; give one that has")
    return max(score.parts, key=mean_pitch)


def mean_pitch(part: Part) -> float:
    """The mean MIDI pitch of the notes of a part, which must not be empty."""
    return sum(note.pitch for note in part) / len(part)


def melody(score: Score) -> Line:
    """The line of the highest part; raises the errors of `highest`."""
    return line(highest(score))


@dataclass(frozen=True)
class Durations:
    """A vocabulary of durations, in ticks and in ascending order."""

    ticks: tuple[int, ...]

    @staticmethod
    def of(lines: Iterable[Line], size: int) -> "Durations":
        """The `size` most frequent durations of the lines."""
        counts = Counter(ticks for symbols in lines for _, ticks in symbols)
        return Durations(tuple(sorted(ticks for ticks, _ in counts.most_common(size))))

    def index(self, ticks: int) -> int:
        """The index of the duration nearest to `ticks`."""
        return min(range(len(self.ticks)), key=lambda number: abs(self.ticks[number] - ticks))


# -- steps of a sixteenth


def steps(part: Part, length: int | None = None) -> np.ndarray:
    """The pitch of a part at each sixteenth, `LINE_REST` where it is silent: int64, (length,)

    length: number of steps; by default those of the whole part.
    """
    end = max((note.onset + note.duration for note in part), default=0.0)
    length = int(np.ceil(end * STEPS - 1e-6)) if length is None else length
    pitches = np.full(length, LINE_REST, np.int64)
    for note in sorted(part):
        first, last = spanned(note)
        pitches[first:last] = note.pitch
    return pitches


def spanned(note: ScoreNote) -> tuple[int, int]:
    """The first step of a note and the step after its last; every note has at least one step."""
    first = int(np.ceil(note.onset * STEPS - 1e-6))
    return first, max(first + 1, int(np.ceil((note.onset + note.duration) * STEPS - 1e-6)))


def part_of_steps(pitches: Sequence[int] | np.ndarray) -> list[ScoreNote]:
    """The inverse of `steps`: equal neighbours become one note."""
    notes: list[ScoreNote] = []
    changes = [0, *(np.flatnonzero(np.diff(pitches)) + 1), len(pitches)]
    for first, last in zip(changes[:-1], changes[1:], strict=True):
        if last > first and pitches[first] != LINE_REST:
            notes.append(ScoreNote(first / STEPS, (last - first) / STEPS, int(pitches[first])))
    return notes


def ordered(score: Score) -> list[Part]:
    """The parts of a score by mean pitch, highest first."""
    return sorted(score.parts, key=mean_pitch, reverse=True)


def voices(score: Score) -> np.ndarray:
    """The `steps` of every part, the highest part first: (steps, parts)"""
    length = int(np.ceil(score.quarters * STEPS - 1e-6))
    return np.stack([steps(part, length) for part in ordered(score)], axis=1)


def score_of_voices(pitches: np.ndarray, tempo: float = 80.0) -> Score:
    """The inverse of `voices`: (steps, parts) -> a score, without parts that have no notes."""
    parts = [part_of_steps(pitches[:, voice]) for voice in range(pitches.shape[1])]
    return Score(tuple(part for part in parts if part), tempo)


# -- rolls


def roll(score: Score, length: int, low: int, high: int) -> np.ndarray:
    """A piano roll, 1 where a pitch sounds at a sixteenth and 0 elsewhere: float32, (length, high - low)

    low, high: the lowest pitch, and the one above the highest; other notes are moved into them by octaves.
    """
    active = np.zeros((length, high - low), np.float32)
    for part in score.parts:
        for note in part:
            first, last = spanned(note)
            active[first:last, fold(note.pitch, low, high) - low] = 1
    return active


def score_of_roll(active: np.ndarray, low: int, tempo: float = 80.0, parts: int = 1) -> Score:
    """The inverse of `roll`: neighbouring steps of one pitch become one note.

    parts: the largest number of parts; if no more notes than that sound at once, every part is monophonic.
    """
    notes = [
        note
        for pitch in np.flatnonzero(active.any(axis=0))
        for note in part_of_steps(np.where(active[:, pitch] > 0, low + pitch, LINE_REST))
    ]
    return Score(tuple(dealt(notes, parts)), tempo)


def dealt(notes: Iterable[ScoreNote], count: int) -> list[list[ScoreNote]]:
    """Distribute notes over at most `count` parts; returned highest first.

    A note continues the silent part whose last note is nearest in pitch. It begins a new part if no part is
    silent or that note is more than `LEAP` semitones away; with `count` parts begun, it joins the nearest.
    """
    parts: list[list[ScoreNote]] = []
    for note in sorted(notes, key=lambda note: (note.onset, -note.pitch)):
        free = [part for part in parts if part[-1].onset + part[-1].duration <= note.onset + 1e-6]
        near = min(free or parts, key=lambda part: abs(part[-1].pitch - note.pitch), default=None)
        if near is None or (len(parts) < count and (not free or abs(near[-1].pitch - note.pitch) > LEAP)):
            parts.append([note])
        else:
            near.append(note)
    return sorted(map(sorted, parts), key=mean_pitch, reverse=True)


def fold(pitch: int, low: int, high: int) -> int:
    """The pitch, moved by octaves to at least `low` and below `high`, which is at least an octave above."""
    while pitch < low:
        pitch += 12
    while pitch >= high:
        pitch -= 12
    return pitch


def whole_tune(scores: Sequence[Score], tempo: float) -> Score:
    """The scores one after the other, joined part by part; each begins on a new bar.

    tempo: quarter notes a minute of the result.
    """
    parts: list[list[ScoreNote]] = [[] for _ in range(max((len(s.parts) for s in scores), default=0))]
    now = 0.0
    for score in scores:
        for part, notes in zip(parts, score.parts, strict=False):
            part += [note._replace(onset=note.onset + now) for note in notes]
        now += BAR * max(1, bar_count(score))
    return Score(tuple(part for part in parts if part), tempo)
