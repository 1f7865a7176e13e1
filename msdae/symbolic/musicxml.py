"""MusicXML files, plain (.musicxml, .xml) and packed (.mxl), read by music21."""

import io
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

from msdae.errors import UserError, printable
from msdae.files import reading
from msdae.symbolic.notes import Score, ScoreNote

LARGEST = 4 << 20  # bytes of the XML; music21 takes seconds a megabyte
FIX = "give a MusicXML file (.musicxml, .mxl), or export MIDI"
ENTITY = re.compile(rb"<!ENTITY|<!\[", re.IGNORECASE)  # what a few lines could unfold to gigabytes by


def read_musicxml(path: str | Path) -> Score:
    """The pitched notes of a MusicXML file, ties joined, a part for each of its staves, and its first tempo.

    Raises:
        UserError: not a readable MusicXML file, one larger than music is, or one that declares entities;
            music21 is not installed.
    """
    path = Path(path)
    with reading(path, FIX):
        data = path.read_bytes() if path.stat().st_size <= LARGEST else None
        if data is not None and data.startswith(b"PK"):
            data = _unpacked(data)
    if data is None:
        raise UserError(f"{printable(path)}: not a readable MusicXML file (larger than music is); {FIX}")
    if ENTITY.search(data.replace(b"\0", b"")):  # UTF-16 has zeros between its letters
        raise UserError(f"{printable(path)}: declares entities, which no score needs; {FIX}")
    try:
        return _parse(data)
    except UserError:
        raise
    except Exception as error:  # music21 raises whatever its parts raise
        reason = " ".join(printable(error).split())[:100] or type(error).__name__
        raise UserError(f"{printable(path)}: not a readable MusicXML file ({reason}); {FIX}") from error


def notes_of(part: Any) -> list[ScoreNote]:
    """The notes of music21's part, ties joined, by onset."""
    from music21.harmony import Harmony

    notes = []
    for element in part.stripTies().flatten().notes:
        if isinstance(element, Harmony) or element.quarterLength <= 0:
            continue  # a chord symbol or a grace note: not sounded, or without a length of its own
        for pitch in element.pitches:
            notes.append(ScoreNote(float(element.offset), float(element.quarterLength), pitch.midi))
    return sorted(notes)


def _unpacked(data: bytes) -> bytes | None:
    """The score in an mxl archive: its first XML file outside of META-INF; None where it is too large."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [info for info in archive.infolist() if info.filename.lower().endswith((".xml", ".musicxml"))]
        scores = [info for info in names if not info.filename.startswith("META-INF")]
        if not scores:
            raise ValueError("no score in the archive")
        with archive.open(scores[0]) as file:
            unpacked = file.read(LARGEST + 1)  # whatever size its header tells
    return unpacked if len(unpacked) <= LARGEST else None


def _parse(data: bytes) -> Score:
    try:
        import music21
    except ImportError as error:
        raise UserError("MusicXML needs music21: pip install music21") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # bars that are overfull, slurs without an end
        importer = music21.musicxml.xmlToM21.MusicXMLImporter()
        importer.xmlText = data
        importer.parseXMLText()
        score = importer.stream
        marks = list(score.flatten().getElementsByClass(music21.tempo.MetronomeMark))
        tempo = next((float(t) for mark in marks if (t := mark.getQuarterBPM())), 100.0)
        parts = tuple(notes for part in score.parts if (notes := notes_of(part)))
    if not 0 < tempo < 1e4:
        raise ValueError(f"a tempo of {tempo:g}")
    return Score(parts, tempo)
