"""Notes, the parts that they make up, and MIDI files of them."""

import io
import re
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from msdae.errors import UserError, printable, required
from msdae.files import reading

LARGEST = 1 << 20  # bytes of a MIDI file; a long piece for piano has a third of it
LONGEST = 86_400.0  # seconds, a day
UNENDING = re.compile(rb"[\x80-\xff]{1024}")  # a number without an end, which takes the parser hours
FIX = "give a standard MIDI file"
Parsed = TypeVar("Parsed")
KEYS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")  # by pitch class
SUSTAIN = 64  # MIDI's number of the pedal
TICKS = 960  # a quarter note at 120 beats a minute in the files that are written: one tick is 0.5 ms


class Note(NamedTuple):
    """A note as it is played: times in seconds, pitch in MIDI numbers, velocity 1 to 127."""

    onset: float
    offset: float
    pitch: int
    velocity: int


class ScoreNote(NamedTuple):
    """A note as it is written: times in quarter lengths (in seconds once a tempo is chosen), MIDI pitch."""

    onset: float
    duration: float
    pitch: int


Part = Sequence[ScoreNote]


@dataclass(frozen=True)
class Score:
    """Parts that are played together; times in quarter lengths.

    tempo: quarter notes a minute. changes: where another begins in quarter lengths, rising, and which.
    """

    parts: tuple[Part, ...]
    tempo: float = 100.0
    changes: tuple[tuple[float, float], ...] = ()

    @property
    def quarters(self) -> float:
        """Its length in quarter notes."""
        return max((note.onset + note.duration for part in self.parts for note in part), default=0.0)

    def notes(self, velocity: int = 90) -> list[Note]:
        """All parts as they are played, by onset; times in seconds."""
        places, times, seconds = [0.0], [0.0], [60 / self.tempo]
        for place, tempo in self.changes:
            times.append(times[-1] + (place - places[-1]) * seconds[-1])
            places.append(place)
            seconds.append(60 / tempo)

        def time(quarter: float) -> float:
            index = bisect_right(places, quarter) - 1
            return times[index] + (quarter - places[index]) * seconds[index]

        return sorted(
            Note(time(note.onset), time(note.onset + note.duration), note.pitch, velocity)
            for part in self.parts
            for note in part
        )


def key_name(pitch: int) -> str:
    """A MIDI pitch as key and octave: 60 is "C4"."""
    return f"{KEYS[pitch % 12]}{pitch // 12 - 1}"


def read_midi(path: str | Path, drums: bool = True, pedal: bool = False) -> list[Note]:
    """The notes of a MIDI file, by onset.

    drums: whether notes of the drum channel count too. pedal: whether the sustain pedal holds notes.

    Raises:
        UserError: not a readable MIDI file, one without a tempo, or larger or longer than music is.
    """
    return _parsed(path, lambda midi: _played(midi, drums, pedal))


def read_midi_score(path: str | Path) -> Score:
    """The pitched notes of a MIDI file in quarter lengths, a part for each of its instruments, and all of
    its tempos; raises as `read_midi`."""
    return _parsed(path, _written)


def _parsed(path: str | Path, take: Callable[[Any], Parsed]) -> Parsed:
    """What `take` makes of the file's PrettyMIDI."""
    path = Path(path)
    with reading(path):
        data = path.read_bytes() if path.stat().st_size <= LARGEST else None
    if data is None or UNENDING.search(data):
        raise UserError(f"{printable(path)}: not a readable MIDI file (larger than music is); {FIX}")
    try:
        return take(_parse(data))
    except UserError:
        raise
    except Exception as error:  # what the parsers raise is of no one family: mido has errors of its own
        reason = " ".join(printable(error).split())[:100] or type(error).__name__
        raise UserError(f"{printable(path)}: not a readable MIDI file ({reason}); {FIX}") from error


def _parse(data: bytes) -> Any:
    pretty_midi = pretty_midi_package()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tempo changes in other tracks than the first
        midi = pretty_midi.PrettyMIDI(io.BytesIO(data))
    times = (time for instrument in midi.instruments for n in instrument.notes for time in (n.start, n.end))
    if midi.resolution <= 0 or not all(0 <= time <= LONGEST for time in times):
        raise ValueError("no beats, or notes outside of a day")
    return midi


def _played(midi: Any, drums: bool, pedal: bool) -> list[Note]:
    return sorted(
        Note(round(note.start, 4), round(end, 4), note.pitch, note.velocity)
        for instrument in midi.instruments
        if drums or not instrument.is_drum
        for note, end in zip(instrument.notes, _ends(instrument, pedal), strict=True)
    )


def _ends(instrument: Any, pedal: bool) -> list[float]:
    """When the notes of pretty_midi's instrument end, in seconds; with the pedal not before it is up or their
    key is struck again, or the last key is up."""
    ends = [note.end for note in instrument.notes]
    sustain = [c for c in instrument.control_changes if c.number == SUSTAIN]
    if not (pedal and ends and sustain):
        return ends
    times, down = [0.0], [False]
    for change in sorted(sustain, key=lambda change: change.time):
        if (change.value >= 64) != down[-1]:
            times.append(change.time)
            down.append(not down[-1])
    times.append(max(*ends, times[-1]))  # the end of the last hold, where the pedal never goes up
    strikes: dict[int, list[float]] = {}
    for note in sorted(instrument.notes, key=lambda note: note.start):
        strikes.setdefault(note.pitch, []).append(note.start)
    held = []
    for note, end in zip(instrument.notes, ends, strict=True):
        index = min(bisect_right(times, end), len(down)) - 1
        again = bisect_right(strikes[note.pitch], note.start)
        most = min([times[index + 1], *strikes[note.pitch][again : again + 1]])
        held.append(max(end, most) if down[index] else end)
    return held


def _written(midi: Any) -> Score:
    def quarter(time: float) -> float:
        return midi.time_to_tick(time) / midi.resolution

    parts = [
        sorted(ScoreNote(quarter(n.start), quarter(n.end) - quarter(n.start), n.pitch) for n in i.notes)
        for i in midi.instruments
        if not i.is_drum
    ]
    (_, tempo), *changes = (
        (quarter(at), float(tempo)) for at, tempo in zip(*midi.get_tempo_changes(), strict=True)
    )
    for _, other in ((0.0, tempo), *changes):
        if not 0 < other < 1e4:
            raise ValueError(f"a tempo of {other:g}")
    return Score(tuple(part for part in parts if part), tempo, tuple(changes))


def pretty_midi_package() -> Any:
    """The package pretty_midi.

    Raises:
        UserError: it is not installed.
    """
    return required("pretty_midi", "MIDI files need pretty_midi: pip install pretty_midi")


def write_midi(path: str | Path, notes: Iterable[Note], program: int, name: str = "") -> None:
    """Write `notes` as one track of the General MIDI program (0-127)."""
    pretty_midi = pretty_midi_package()
    midi = pretty_midi.PrettyMIDI(resolution=TICKS, initial_tempo=120)
    track = pretty_midi.Instrument(program, name=name)
    track.notes = [
        pretty_midi.Note(velocity=velocity, pitch=pitch, start=onset, end=offset)
        for onset, offset, pitch, velocity in notes
    ]
    midi.instruments.append(track)
    midi.write(str(path))
