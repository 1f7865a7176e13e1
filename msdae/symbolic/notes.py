"""Notes, the parts that they make up, and MIDI files of them."""

import io
import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from msdae.errors import UserError, printable
from msdae.files import reading

LARGEST = 1 << 20  # bytes of a MIDI file; a long piece for piano has a third of it
LONGEST = 86_400.0  # seconds, a day
UNENDING = re.compile(rb"[\x80-\xff]{1024}")  # a number without an end, which takes the parser hours
FIX = "give a standard MIDI file"
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


def read_midi(path: str | Path, drums: bool = True) -> list[Note]:
    """The notes of a MIDI file, by onset.

    drums: whether notes of the drum channel count too.

    Raises:
        UserError: not a readable MIDI file, one without a tempo, or larger or longer than music is.
    """
    path = Path(path)
    with reading(path):
        data = path.read_bytes() if path.stat().st_size <= LARGEST else None
    if data is None or UNENDING.search(data):
        raise UserError(f"{printable(path)}: not a readable MIDI file (larger than music is); {FIX}")
    try:
        notes = _parse(data, drums)
    except Exception as error:  # what the parsers raise is of no one family: mido has errors of its own
        reason = " ".join(printable(error).split())[:100] or type(error).__name__
        raise UserError(f"{printable(path)}: not a readable MIDI file ({reason}); {FIX}") from error
    return notes


def _parse(data: bytes, drums: bool) -> list[Note]:
    import pretty_midi

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tempo changes in other tracks than the first
        midi = pretty_midi.PrettyMIDI(io.BytesIO(data))
    notes = sorted(
        Note(round(note.start, 4), round(note.end, 4), note.pitch, note.velocity)
        for instrument in midi.instruments
        if drums or not instrument.is_drum
        for note in instrument.notes
    )
    if midi.resolution <= 0 or not all(0 <= note.onset <= note.offset <= LONGEST for note in notes):
        raise ValueError("no beats, or notes outside of a day")
    return notes


def write_midi(path: str | Path, notes: Iterable[Note], program: int, name: str = "") -> None:
    """Write `notes` as one track of the General MIDI program (0-127)."""
    import pretty_midi

    midi = pretty_midi.PrettyMIDI(resolution=TICKS, initial_tempo=120)
    track = pretty_midi.Instrument(program, name=name)
    track.notes = [
        pretty_midi.Note(velocity=velocity, pitch=pitch, start=onset, end=offset)
        for onset, offset, pitch, velocity in notes
    ]
    midi.instruments.append(track)
    midi.write(str(path))
