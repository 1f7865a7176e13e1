"""Notes, and scores made of them."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

KEYS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")  # by pitch class
VELOCITY = 90  # of notes without a velocity; MusicXML's default, forte
SLOWEST, FASTEST = 6e7 / (2**24 - 1), 1e4  # quarter notes a minute; MIDI cannot express a slower tempo


class Note(NamedTuple):
    """A note as it is played: times in seconds, MIDI pitch (may have a fraction), velocity 1 to 127."""

    onset: float
    offset: float
    pitch: float
    velocity: int


class ScoreNote(NamedTuple):
    """A note as it is written: times in quarter lengths, MIDI pitch, and velocity (1 to 127).

    Where a tempo has been applied, as in `arrange`, the times are in seconds.
    """

    onset: float
    duration: float
    pitch: float
    velocity: int = VELOCITY


Part = Sequence[ScoreNote]
Tempos = Sequence[tuple[float, float]]  # (where it begins in quarter lengths, quarter notes a minute)


@dataclass(frozen=True)
class Score:
    """Parts that are played together; times in quarter lengths.

    tempo: quarter notes a minute at the beginning. changes: (where it begins in quarter lengths, quarter
    notes a minute) of each later tempo, in order.
    """

    parts: tuple[Part, ...]
    tempo: float = 100.0
    changes: tuple[tuple[float, float], ...] = ()

    @property
    def quarters(self) -> float:
        """The length of the score in quarter notes."""
        return max((note.onset + note.duration for part in self.parts for note in part), default=0.0)

    def notes(self) -> list[Note]:
        """The notes of all parts in order of onset, with times in seconds."""
        time = clock(((0.0, self.tempo), *self.changes))
        return sorted(
            Note(time(note.onset), time(note.onset + note.duration), note.pitch, note.velocity)
            for part in self.parts
            for note in part
        )


def clock(tempos: Tempos) -> Callable[[float], float]:
    """A function that converts a place in quarter lengths to a time in seconds.

    tempos: in order, the first at 0.
    """
    places, times, seconds = [0.0], [0.0], [60 / tempos[0][1]]
    for place, tempo in tempos[1:]:
        times.append(times[-1] + (place - places[-1]) * seconds[-1])
        places.append(place)
        seconds.append(60 / tempo)

    def time(quarter: float) -> float:
        index = bisect_right(places, quarter) - 1
        return times[index] + (quarter - places[index]) * seconds[index]

    return time


def check_tempos(tempos: Iterable[tuple[float, float]]) -> None:
    """Raise a ValueError for a tempo that is too slow for MIDI or too fast for any music."""
    for _, tempo in tempos:
        if not SLOWEST <= tempo < FASTEST:
            raise ValueError(f"a tempo of {tempo:g}")


def key_name(pitch: int) -> str:
    """The name of a MIDI pitch with its octave: 60 is "C4"."""
    return f"{KEYS[pitch % 12]}{pitch // 12 - 1}"
