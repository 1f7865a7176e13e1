"""Score files of any supported format: reads MIDI and MusicXML, writes MIDI."""

from pathlib import Path

from msdae.errors import UserError, printable
from msdae.files import atomic, check_replaceable, reading
from msdae.symbolic.midi import read_midi, read_midi_score, write_midi_score
from msdae.symbolic.musicxml import read_musicxml
from msdae.symbolic.notes import Note, Score

MIDI = (".mid", ".midi")
MUSICXML = (".mxl", ".musicxml", ".xml")
SUFFIXES = (*MIDI, *MUSICXML)
LONGEST = 3600.0  # seconds of the longest score that is accepted
FIX = "give MIDI or MusicXML with pitched notes"


def is_score(path: str | Path) -> bool:
    """Whether a file has the extension of MIDI or MusicXML."""
    return Path(path).suffix.lower() in SUFFIXES


def read_score(path: str | Path, played: bool = False) -> Score:
    """The pitched notes of a MIDI or MusicXML file in quarter lengths.

    played: as in `read_musicxml`; MIDI is read the same way in both cases.

    Raises:
        UserError: the file cannot be read, has no pitched notes, or lasts longer than an hour.
    """
    path = _checked(path)
    score = read_musicxml(path, played) if path.suffix.lower() in MUSICXML else read_midi_score(path)
    if not score.parts:
        raise UserError(f"{printable(path)}: has no pitched notes; {FIX}")
    _require_length(path, max(note.offset for note in score.notes()))
    return score


def read_notes(path: str | Path) -> list[Note]:
    """The pitched notes of a MIDI or MusicXML file as they are played; times in seconds.

    Tempo changes, dynamics and, in MIDI, pedals and pitch bends are applied; pitches between semitones
    have fractions. Raises the errors of `read_score`.
    """
    path = _checked(path)
    if path.suffix.lower() in MUSICXML:
        return read_score(path, played=True).notes()
    notes = [
        note for note in read_midi(path, drums=False, pedal=True, controls=True) if note.offset > note.onset
    ]
    if not notes:
        raise UserError(f"{printable(path)}: has no pitched notes; {FIX}")
    _require_length(path, max(note.offset for note in notes))
    return notes


def check_score(path: str | Path) -> None:
    """Raise the UserError that `write_score` would raise for `path`."""
    path = Path(path)
    if path.suffix.lower() not in MIDI:
        raise UserError(f"{printable(path)}: scores are written as {', '.join(MIDI)}; choose one of these")
    check_replaceable(path)


def write_score(path: str | Path, score: Score, program: int = 0) -> None:
    """Write a score with its tempos as a MIDI file, atomically.

    Each part becomes a track; all tracks play the General MIDI program (0-127).

    Raises:
        UserError: the extension is not MIDI's, the folder does not exist, or mido is not installed.
    """
    check_score(path)
    with atomic(path) as temporary:
        write_midi_score(temporary, score, program)


def _checked(path: str | Path) -> Path:
    path = Path(path)
    with reading(path):
        if not path.exists():
            raise UserError(f"{printable(path)}: no such file; check the path")
        if not path.is_file():
            raise UserError(f"{printable(path)}: is not a file; {FIX}")
    return path


def _require_length(path: Path, seconds: float) -> None:
    if seconds > LONGEST:
        raise UserError(f"{printable(path)}: lasts {seconds / 3600:.1f} hours; give one of an hour at most")
