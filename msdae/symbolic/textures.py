"""Random textures that a corpus of melodies lacks: chords, arpeggios, runs, long and low notes, rests."""

import random
from dataclasses import dataclass
from typing import Annotated

from msdae.config import require_ranges
from msdae.errors import UserError
from msdae.limits import NOT_NEGATIVE, Range, Share, check
from msdae.symbolic.arrange import without_unisons
from msdae.symbolic.notes import Note, ScoreNote

SCALES = (  # semitones above the root
    (0, 2, 4, 5, 7, 9, 11),
    (0, 2, 3, 5, 7, 8, 10),
    (0, 2, 3, 5, 7, 8, 11),
    (0, 2, 4, 5, 7, 9, 10),
    (0, 2, 4, 7, 9),
    (0, 2, 4, 6, 8, 10),
    tuple(range(12)),
)
LOWEST_OCTAVE = 14  # semitones above the lowest pitch to which low textures are limited
SHORTEST = 0.1  # seconds of the shortest long note
PAUSE = (0.3, 1.2)  # seconds of silence between two chords

# `Seconds` and `Count` are ranges (from, to) that a parameter is drawn from.
Weight = Annotated[float, NOT_NEGATIVE]
Seconds = tuple[Annotated[float, Range(0.02, 60, reason="longer than any clip")], ...]
Count = tuple[Annotated[int, Range(2, 10, reason="a player has so many fingers")], ...]


@dataclass(frozen=True)
class TextureConfig:
    """The distributions that textures are drawn from; a pair is a range (from, to).

    Only sounds that may play several notes at once get chords.

    chords: weight of chords, one after another.
    arpeggios: weight of chords whose notes begin one by one.
    runs: weight of fast scales.
    long_notes: weight of one to three notes that are held.
    pedal: share of the arpeggios whose notes are held until the chord changes.
    low: share of the textures in the lowest octave of the sounds.
    rests: share of the chords and long notes with silence between them.
    chord_notes: number of notes of a chord.
    chord_seconds: how long a chord lasts.
    arpeggio_seconds: from note to note of an arpeggio.
    run_seconds: from note to note of a run.
    velocities: MIDI velocities.
    """

    chords: Weight = 2.0
    arpeggios: Weight = 1.0
    runs: Weight = 0.7
    long_notes: Weight = 1.0
    pedal: Share = 0.5
    low: Share = 0.2
    rests: Share = 0.4
    chord_notes: Count = (3, 6)
    chord_seconds: Seconds = (0.3, 2)
    arpeggio_seconds: Seconds = (0.09, 0.3)
    run_seconds: Seconds = (0.06, 0.14)
    velocities: tuple[Annotated[int, Range(1, 127)], ...] = (35, 120)

    def __post_init__(self):
        check(self)
        require_ranges(self)
        if not self.arpeggios + self.runs + self.long_notes:
            raise UserError("arpeggios, runs and long_notes are 0; a sound of one voice has nothing to play")


def draw(
    low: int, high: int, polyphonic: bool, seconds: float, rng: random.Random, config: TextureConfig
) -> tuple[str, list[Note]]:
    """A random texture between the MIDI pitches `low` and `high`, both included: its name and its notes.

    polyphonic: whether several notes may sound at once. seconds: length of the texture.
    """
    kinds = {
        "chords": config.chords * polyphonic,
        "arpeggios": config.arpeggios,
        "runs": config.runs,
        "long": config.long_notes,
    }
    (kind,) = rng.choices(list(kinds), list(kinds.values()))
    if rng.random() < config.low:
        high = min(high, low + LOWEST_OCTAVE)
    scale, root = rng.choice(SCALES), rng.randrange(12)
    pitches = [pitch for pitch in range(low, high + 1) if (pitch - root) % 12 in scale] or [low]
    level, notes = rng.randint(*config.velocities), []
    for note in without_unisons(sorted(_KINDS[kind](pitches, polyphonic, seconds, rng, config))):
        velocity = round(min(127, max(1, rng.gauss(level, 8))))
        notes.append(Note(note.onset, min(seconds, note.onset + note.duration), note.pitch, velocity))
    return f"{kind} {rng.getrandbits(32):08x}", notes


def _chord(pitches: list[int], rng: random.Random, config: TextureConfig) -> list[int]:
    """A chord of notes of the scale, mostly stacked in thirds; some notes are moved up an octave."""
    count = min(rng.randint(*config.chord_notes), len(pitches))
    step = rng.choice((1, 2, 2, 2, 3))
    first = rng.randrange(max(1, len(pitches) - step * (count - 1)))
    chord = {pitches[min(first + step * k, len(pitches) - 1)] for k in range(count)}
    return sorted(
        {pitch + 12 if rng.random() < 0.2 and pitch + 12 <= pitches[-1] else pitch for pitch in chord}
    )


def _chords(
    pitches: list[int], polyphonic: bool, seconds: float, rng: random.Random, config: TextureConfig
) -> list[ScoreNote]:
    notes, now = [], rng.uniform(0, 0.2)
    length, rests = rng.uniform(*config.chord_seconds), rng.random() < config.rests
    spread = rng.choice((0.0, 0.0, 0.01, 0.03))  # seconds between the notes of a rolled chord
    while now < seconds - 0.15:
        duration = length * rng.choice((0.5, 1, 1, 2))
        for number, pitch in enumerate(_chord(pitches, rng, config)):
            onset = now + number * spread
            if onset < seconds - 0.05:
                notes.append(ScoreNote(onset, duration * rng.uniform(0.85, 1), pitch))
        now += duration + rests * rng.uniform(*PAUSE)
    return notes


def _arpeggios(
    pitches: list[int], polyphonic: bool, seconds: float, rng: random.Random, config: TextureConfig
) -> list[ScoreNote]:
    notes, now, step = [], rng.uniform(0, 0.2), rng.uniform(*config.arpeggio_seconds)
    pedal, pattern = polyphonic and rng.random() < config.pedal, rng.choice(("up", "down", "both", "any"))
    legato = rng.uniform(0.4, 1)
    while now < seconds - 0.1:
        chord = _chord(pitches, rng, config)
        order = {"up": chord, "down": chord[::-1], "both": chord + chord[-2:0:-1]}.get(pattern)
        order = (order or rng.sample(chord, len(chord))) * rng.choice((1, 2))
        end = now + step * len(order)
        for pitch in order:
            if now < seconds - 0.05:
                notes.append(ScoreNote(now, end - now if pedal else step * legato, pitch))
            now += step
    return notes


def _runs(
    pitches: list[int], polyphonic: bool, seconds: float, rng: random.Random, config: TextureConfig
) -> list[ScoreNote]:
    notes, now, step = [], rng.uniform(0, 0.2), rng.uniform(*config.run_seconds)
    place, direction = rng.randrange(len(pitches)), rng.choice((-1, 1))
    while now < seconds - 0.1:
        notes.append(ScoreNote(now, step * 0.95, pitches[place]))
        if not 0 <= place + direction < len(pitches) or rng.random() < 0.12:
            direction = -direction
        place = min(max(place + direction, 0), len(pitches) - 1)
        now += step * (rng.choice((1, 4)) if rng.random() < 0.06 else 1)
    return notes


def _long(
    pitches: list[int], polyphonic: bool, seconds: float, rng: random.Random, config: TextureConfig
) -> list[ScoreNote]:
    count, rests = rng.randint(1, 3), rng.random() < config.rests
    edges = [0.0, *sorted(rng.uniform(0.15, 0.85) for _ in range(count - 1)), 1.0]
    notes = []
    for start, end in zip(edges, edges[1:], strict=False):
        duration = (end - start) * seconds * (rng.uniform(0.4, 0.8) if rests else rng.uniform(0.9, 1))
        if duration > SHORTEST:
            notes.append(ScoreNote(start * seconds, duration, rng.choice(pitches)))
    return notes


_KINDS = {"chords": _chords, "arpeggios": _arpeggios, "runs": _runs, "long": _long}
