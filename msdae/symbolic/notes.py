"""Notes, the parts that they make up, and MIDI files of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from msdae.errors import UserError

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
        UserError: not a readable MIDI file.
    """
    import pretty_midi
    from mido import KeySignatureError

    try:
        midi = pretty_midi.PrettyMIDI(str(path))
    except (OSError, EOFError, ValueError, LookupError, TypeError, KeySignatureError) as error:
        raise UserError(f"{path}: not a readable MIDI file ({error}); give a standard MIDI file") from error
    return sorted(
        Note(round(note.start, 4), round(note.end, 4), note.pitch, note.velocity)
        for instrument in midi.instruments
        if drums or not instrument.is_drum
        for note in instrument.notes
    )


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
