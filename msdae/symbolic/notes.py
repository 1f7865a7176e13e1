"""Notes, the parts that they make up, and MIDI files of them."""

import io
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from msdae.errors import UserError, printable
from msdae.files import reading

LARGEST = 1 << 20  # bytes of a MIDI file; a long piece for piano has a third of it
LONGEST = 86_400.0  # seconds, a day
UNENDING = re.compile(rb"[\x80-\xff]{1024}")  # a number without an end, which takes the parser hours
FIX = "give a standard MIDI file"
Parsed = TypeVar("Parsed")
KEYS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")  # by pitch class
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

    tempo: quarter notes a minute.
    """

    parts: tuple[Part, ...]
    tempo: float = 100.0

    @property
    def quarters(self) -> float:
        """Its length in quarter notes."""
        return max((note.onset + note.duration for part in self.parts for note in part), default=0.0)

    def notes(self, velocity: int = 90) -> list[Note]:
        """All parts as they are played, by onset; times in seconds."""
        second = 60 / self.tempo
        return sorted(
            Note(note.onset * second, (note.onset + note.duration) * second, note.pitch, velocity)
            for part in self.parts
            for note in part
        )


def key_name(pitch: int) -> str:
    """A MIDI pitch as key and octave: 60 is "C4"."""
    return f"{KEYS[pitch % 12]}{pitch // 12 - 1}"


def read_midi(path: str | Path, drums: bool = True) -> list[Note]:
    """The notes of a MIDI file, by onset.

    drums: whether notes of the drum channel count too.

    Raises:
        UserError: not a readable MIDI file, one without a tempo, or larger or longer than music is.
    """
    return _parsed(path, lambda midi: _played(midi, drums))


def read_midi_score(path: str | Path) -> Score:
    """The pitched notes of a MIDI file in quarter lengths, a part for each of its instruments, and its first
    tempo; raises as `read_midi`."""
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


def _played(midi: Any, drums: bool) -> list[Note]:
    return sorted(
        Note(round(note.start, 4), round(note.end, 4), note.pitch, note.velocity)
        for instrument in midi.instruments
        if drums or not instrument.is_drum
        for note in instrument.notes
    )


def _written(midi: Any) -> Score:
    quarter = lambda time: midi.time_to_tick(time) / midi.resolution  # noqa: E731
    parts = [
        sorted(ScoreNote(quarter(n.start), quarter(n.end) - quarter(n.start), n.pitch) for n in i.notes)
        for i in midi.instruments
        if not i.is_drum
    ]
    tempo = float(midi.get_tempo_changes()[1][0])
    if not 0 < tempo < 1e4:
        raise ValueError(f"a tempo of {tempo:g}")
    return Score(tuple(part for part in parts if part), tempo)


def pretty_midi_package() -> Any:
    """The package pretty_midi.

    Raises:
        UserError: it is not installed.
    """
    try:
        import pretty_midi
    except ImportError as error:
        raise UserError("MIDI files need pretty_midi: pip install pretty_midi") from error
    return pretty_midi


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
