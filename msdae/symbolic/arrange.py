"""Arranges an excerpt of a piece for a few instruments, with a random tempo, key, phrasing and dynamics."""

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from msdae.symbolic.instruments import POLYPHONIC, Voice
from msdae.symbolic.notes import Note, Part, ScoreNote

MAX_STEMS = 4
MIN_NOTES = 8  # a part with fewer notes in the excerpt is left out
# Seconds of the median note. It sets the tempo, because each century writes its music in other note values.
MEDIAN_NOTE = (0.18, 0.5)
POLYPHONIC_SHARE = 0.35  # of the excerpts with several parts: one instrument plays two of the parts


@dataclass(frozen=True)
class Stem:
    """The notes that one instrument plays; times in seconds from the start of the excerpt."""

    voice: Voice
    notes: list[Note]


def arrange(parts: Sequence[Part], voices: Sequence[Voice], seconds: float, rng: random.Random) -> list[Stem]:
    """An excerpt of at most `seconds`, as stems that play up to `MAX_STEMS` parts of the piece.

    One stem may play two of the parts. The list is empty if no part has enough notes or no voice has the
    range for them.
    """
    lines = excerpt(parts, seconds, rng)
    lines = rng.sample(lines, min(MAX_STEMS, len(lines)))
    groups = [[line] for line in lines]
    if len(groups) > 1 and rng.random() < POLYPHONIC_SHARE:
        groups = [groups[0] + groups[1], *groups[2:]]
    transposition = rng.randint(-6, 6)
    stems = []
    for group in groups:
        notes = [note._replace(pitch=note.pitch + transposition) for line in group for note in line]
        voice = _choose_voice(voices, notes, polyphonic=len(group) > 1, rng=rng)
        if voice is not None:
            notes = _into_range(notes, voice, rng)
            stems.append(Stem(voice, perform(without_unisons(notes), seconds, rng)))
    return stems


def excerpt(
    parts: Sequence[Part], seconds: float, rng: random.Random, least_notes: int = MIN_NOTES
) -> list[list[ScoreNote]]:
    """`seconds` of the parts, starting at a random note; onsets and durations are converted to seconds.

    Parts with fewer than `least_notes` notes in the excerpt are left out.
    """
    notes = [note for part in parts for note in part]
    if not notes:
        return []
    median = statistics.median(note.duration for note in notes)
    tempo = rng.uniform(*MEDIAN_NOTE) / median  # seconds per quarter length
    end = max(note.onset + note.duration for note in notes)
    latest = max(0.0, end - seconds / tempo)
    start = rng.choice([note.onset for note in notes if note.onset <= latest] or [0.0])
    lines = []
    for part in parts:
        timed = [
            note._replace(onset=(note.onset - start) * tempo, duration=note.duration * tempo) for note in part
        ]
        line = [note for note in timed if 0 <= note.onset < seconds]
        if len(line) >= least_notes:
            lines.append(line)
    return lines


def _choose_voice(
    voices: Sequence[Voice], notes: Sequence[ScoreNote], polyphonic: bool, rng: random.Random
) -> Voice | None:
    """A random voice whose range holds all notes in some octave, from a random family; None without one."""
    span = max(note.pitch for note in notes) - min(note.pitch for note in notes)
    able = [voice for voice in voices if _octaves(voice, notes) and span <= _range(voice)]
    if polyphonic:
        able = [voice for voice in able if voice.instrument.family in POLYPHONIC]
    families = sorted({voice.instrument.family for voice in able})
    if not families:
        return None
    family = rng.choice(families)
    return rng.choice([voice for voice in able if voice.instrument.family == family])


def _range(voice: Voice) -> int:
    return voice.instrument.high - voice.instrument.low


def _octaves(voice: Voice, notes: Sequence[ScoreNote]) -> list[int]:
    """The octave shifts, in semitones, that bring all notes into the voice's range, smallest first."""
    low, high = min(note.pitch for note in notes), max(note.pitch for note in notes)
    kind = voice.instrument
    fitting = [shift for shift in range(-60, 61, 12) if kind.low <= low + shift and high + shift <= kind.high]
    return sorted(fitting, key=abs)


def _into_range(notes: Sequence[ScoreNote], voice: Voice, rng: random.Random) -> list[ScoreNote]:
    shift = rng.choice(_octaves(voice, notes)[:2])
    return sorted(note._replace(pitch=note.pitch + shift) for note in notes)


def without_unisons(notes: Sequence[ScoreNote]) -> list[ScoreNote]:
    """The notes, in order of onset, each cut where the next note of the same pitch begins.

    An instrument cannot sound one pitch twice at a time.
    """
    kept: list[ScoreNote] = []
    sounding: dict[int, int] = {}  # pitch -> index in `kept` of its latest note
    for note in notes:
        place = sounding.get(note.pitch)
        if place is not None and kept[place].onset + kept[place].duration > note.onset:
            kept[place] = kept[place]._replace(duration=note.onset - kept[place].onset)
        sounding[note.pitch] = len(kept)
        kept.append(note)
    return [note for note in kept if note.duration > 0]


def perform(notes: Sequence[ScoreNote], seconds: float, rng: random.Random) -> list[Note]:
    """The notes as a player would play them, cut at `seconds`.

    One articulation holds for all notes; the velocity drifts from note to note and varies around the drift.
    """
    legato = rng.uniform(0.7, 1.0)
    level = rng.uniform(55, 110)
    performed = []
    for note in notes:
        level = min(115.0, max(45.0, level + rng.gauss(0, 3)))
        velocity = min(127, max(20, round(rng.gauss(level, 9))))
        offset = min(seconds, note.onset + note.duration * legato)
        performed.append(Note(note.onset, offset, note.pitch, velocity))
    return performed


def loosen(notes: Sequence[Note], seconds: float, timing: float, rng: random.Random) -> list[Note]:
    """The notes of an excerpt of `seconds`, with onsets and offsets shifted at random.

    timing: standard deviation of the shifts in seconds; no shift exceeds twice that.
    """
    loose = []
    for onset, offset, pitch, velocity in notes:
        early, late = (max(-2 * timing, min(2 * timing, rng.gauss(0, timing))) for _ in range(2))
        begin = min(max(0.0, onset + early), seconds - 0.03)
        loose.append(Note(begin, min(seconds, max(begin + 0.03, offset + late)), pitch, velocity))
    return sorted(loose)
