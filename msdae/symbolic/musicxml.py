"""Reads MusicXML files, plain (.musicxml, .xml) or compressed (.mxl), with music21."""

import io
import re
import warnings
import zipfile
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from msdae.errors import UserError, printable, required
from msdae.files import reading
from msdae.symbolic.articulation import sounding
from msdae.symbolic.dynamics import velocities
from msdae.symbolic.notes import VELOCITY, Score, ScoreNote, Tempos
from msdae.symbolic.ornaments import Stroke
from msdae.symbolic.pedals import held, write_marks
from msdae.symbolic.repeats import order
from msdae.symbolic.tempos import tempos

LARGEST = 4 << 20  # bytes of the XML; music21 takes seconds per megabyte
MOST = 200_000  # notes with all repeats or ornaments; an hour of music has fewer
FIX = "give a MusicXML file (.musicxml, .mxl), or export MIDI"
# Attributes of MusicXML's <sound> that change the order of bars: the beginning of music21's name for the
# sign, and a text that music21 reads as that sign.
SIGNS = {
    "segno": ("Segno", "Segno"),
    "coda": ("Coda", "Coda"),
    "tocoda": ("Coda", "To Coda"),
    "fine": ("Fine", "Fine"),
    "dacapo": ("DaCapo", "D.C. al {}"),
    "dalsegno": ("DalSegno", "D.S. al {}"),
}
ENTITY = re.compile(rb"<!ENTITY|<!\[", re.IGNORECASE)  # with which a few lines expand to gigabytes


def read_musicxml(path: str | Path, played: bool = False) -> Score:
    """The pitched notes of a MusicXML file at sounding pitch, one part per staff, and its tempos.

    Repeats are written out, ties are joined, and velocities follow dynamic marks, hairpins and accents.

    played: whether to read the score as it is played: pitches to the nearest quarter tone, as fractions;
        staccato notes short; notes that a pedal or a fermata holds long; trills, mordents, turns, tremolos,
        rolled chords and grace notes. Otherwise it is read as it is written: pitches to the nearest semitone,
        and none of these signs.

    Raises:
        UserError: the file is not readable as MusicXML, is larger or longer than music is, or declares
            entities; music21 is not installed.
    """
    path = Path(path)
    with reading(path, FIX):
        data = path.read_bytes() if path.stat().st_size <= LARGEST else None
        if data is not None and data.startswith(b"PK"):
            data = _unpacked(data)
    if data is None:
        raise UserError(f"{printable(path)}: not a readable MusicXML file (larger than music is); {FIX}")
    if ENTITY.search(data.replace(b"\0", b"")):  # UTF-16 has a zero byte beside each letter
        raise UserError(f"{printable(path)}: declares entities, which no score needs; {FIX}")
    try:
        return _parse(data, played)
    except UserError:
        raise
    except Exception as error:  # music21 lets many kinds of errors through
        reason = " ".join(printable(error).split())[:100] or type(error).__name__
        raise UserError(f"{printable(path)}: not a readable MusicXML file ({reason}); {FIX}") from error


def tones(
    part: Any, played: bool = False, velocity: Callable[[Any], int] = lambda _: VELOCITY
) -> Iterator[tuple[ScoreNote, str | None]]:
    """The tones of a music21 part, each with its tie: "start", "continue", "stop" or None.

    played: as in `read_musicxml`. velocity: returns the velocity of a note or chord.
    """
    from music21.harmony import Harmony

    manner, elements = sounding(part) if played else None, part.flatten().notes
    for element in elements:
        if isinstance(element, Harmony) or element.quarterLength <= 0:
            continue  # a chord symbol or a grace note: not sounded, or without a length of its own
        for tone, pitch in _pitches(element, played):
            tie = tone.tie and tone.tie.type
            if manner:
                yield from _strokes(manner.strokes(element, tone), pitch, velocity(element), tie)
            else:
                times = float(element.offset), float(element.quarterLength)
                yield ScoreNote(*times, pitch, velocity(element)), tie
    for grace, onset, length in manner.graces if manner else ():
        for _, pitch in _pitches(grace, played):
            yield ScoreNote(onset, length, pitch, velocity(grace)), None


def _strokes(
    strokes: Sequence[Stroke], pitch: float, velocity: int, tie: str | None
) -> Iterator[tuple[ScoreNote, str | None]]:
    """The notes of a tone that is played in strokes.

    Its tie is that of the first and the last one, unless they are repetitions.
    """
    repeated = len(strokes) > 1 and not any(stroke.step for stroke in strokes)
    for number, (onset, length, step) in enumerate(strokes):
        ties = {"continue", "stop"} if number == 0 and not repeated else set()
        ties |= {"continue", "start"} if number == len(strokes) - 1 and not repeated else set()
        key = min(127, max(0, pitch + step)) if step else pitch
        yield ScoreNote(onset, length, key, velocity), tie if tie in ties else None


def _pitches(element: Any, played: bool) -> Iterator[tuple[Any, float]]:
    """The pitched tones of music21's note or chord, and their pitches."""
    for tone in getattr(element, "notes", [element]):
        if hasattr(tone, "pitch"):
            pitch = tone.pitch.midi
            if off := round((tone.pitch.ps - pitch + 6) % 12 - 6, 2) if played else 0:
                pitch += off
            yield tone, pitch


def _tied(part: Any, played: bool, velocity: Callable[[Any], int]) -> list[ScoreNote]:
    """The notes of a music21 part in order of onset, with ties joined.

    A tie joins tones of one pitch where one ends and the next begins, in any voice; music21's own `stripTies`
    confuses voices.
    """
    notes: list[ScoreNote] = []
    held: dict[tuple[int, float], int] = {}  # (pitch, end) of each open tie -> index of its note in `notes`
    for note, tie in tones(part, played, velocity):
        end = note.onset + note.duration
        place = held.pop((note.pitch, round(note.onset, 4)), None) if tie in ("continue", "stop") else None
        if place is None:
            place = len(notes)
            notes.append(note)
            if note.onset < 0:
                raise ValueError("a note before the beginning")
            if len(notes) > MOST:
                raise ValueError(f"more than {MOST} notes")
        else:
            notes[place] = notes[place]._replace(duration=end - notes[place].onset)
        if tie in ("start", "continue"):
            held[note.pitch, round(end, 4)] = place
    return sorted(notes)


def _unpacked(data: bytes) -> bytes | None:
    """The score in an mxl archive: the file that META-INF/container.xml names, or else the first XML file.

    None if it is larger than `LARGEST`.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        named = re.search(rb"full-path\s*=\s*[\"']([^\"']+)", _head(archive, "META-INF/container.xml"))
        names = [named[1].decode()] if named else []
        names += [name for name in archive.namelist() if name.lower().endswith((".xml", ".musicxml"))]
        present = set(archive.namelist())
        scores = [name for name in names if name in present and not name.startswith("META-INF")]
        if not scores:
            raise ValueError("no score in the archive")
        unpacked = _head(archive, scores[0])
    return unpacked if len(unpacked) <= LARGEST else None


def _head(archive: zipfile.ZipFile, name: str) -> bytes:
    """At most `LARGEST` + 1 bytes of a file in an archive, whatever size its header claims.

    No bytes if there is no such file.
    """
    if name not in archive.namelist():
        return b""
    with archive.open(name) as file:
        return file.read(LARGEST + 1)


def _tree(data: bytes, played: bool) -> ElementTree.Element:
    """The XML of a score in the encoding that it declares (music21 reads all as UTF-8), changed where music21
    would play it otherwise than it is meant. played: as in `read_musicxml`."""
    root = ElementTree.fromstring(data)
    if root.tag != "score-partwise":
        raise ValueError(f"a {root.tag}, not a score-partwise")
    _silence_cues(root)
    _write_times(root)
    _write_jumps(root)
    write_marks(root)
    _drop_marks_without_numbers(root)
    _round_pitches(root, played)
    for mark in root.iter("arpeggiate"):
        mark.attrib.pop("number", None)  # music21 takes all chords with one number for one chord
    for grace in root.iter("grace"):
        grace.set("slash", grace.get("slash", "no"))  # music21 takes one by default
    return root


def _silence_cues(root: ElementTree.Element) -> None:
    """Make cue notes, which show what another part plays, rests."""
    for measure in root.iter("measure"):
        for note in measure.findall("note"):
            if note.find("cue") is None:
                continue
            if note.find("chord") is not None:  # the chord's first note already takes the time
                measure.remove(note)
            for pitch in note.findall("pitch"):
                pitch.clear()
                pitch.tag = "rest"


def _write_times(root: ElementTree.Element) -> None:
    """Write the time signature that music21 takes for a part without one: it cannot read bars of grace notes
    alone otherwise."""
    for part in root.findall("part"):
        measure = part.find("measure")
        if measure is not None and next(measure.iter("time"), None) is None:
            attributes = measure.find("attributes")
            if attributes is None:
                attributes = ElementTree.Element("attributes")
                measure.insert(0, attributes)
            time = ElementTree.SubElement(attributes, "time")
            for name in ("beats", "beat-type"):
                ElementTree.SubElement(time, name).text = "4"


def _drop_marks_without_numbers(root: ElementTree.Element) -> None:
    """Remove metronome marks that say no number beside a sound that does: music21 would take the mark."""
    for direction in root.iter("direction"):
        if any("tempo" in sound.attrib for sound in direction.findall("sound")):
            for kind in direction.findall("direction-type"):
                for mark in kind.findall("metronome"):
                    if not _is_number(mark.findtext("per-minute")):
                        kind.remove(mark)


def _round_pitches(root: ElementTree.Element, played: bool) -> None:
    """Bring pitches between quarter tones, which music21 refuses, to the nearest quarter tone if `played`,
    otherwise to the nearest key."""
    for alter in root.iter("alter"):
        if (semitones := float(alter.text or 0)) * 2 % 1:
            alter.text = str(round(2 * semitones) / 2 if played else round(semitones))


def _write_jumps(root: ElementTree.Element) -> None:
    """Add words that music21 understands for jumps and signs that only the <sound> of a direction gives."""
    from music21.expressions import TextExpression

    after = "Coda" if any(sound.get("tocoda") for sound in root.iter("sound")) else "Fine"
    for direction in root.iter("direction"):
        told = {
            name for sound in direction.findall("sound") for name in SIGNS if sound.get(name, "no") != "no"
        }
        if not told:
            continue
        texts = [words.text or "" for words in direction.iter("words")]
        texts += [name for name in ("coda", "segno") if direction.find(f"direction-type/{name}") is not None]
        known = {type(TextExpression(text).getRepeatExpression()).__name__ for text in texts}
        for name in sorted(told):
            sign, words = SIGNS[name]
            if not any(other.startswith(sign) for other in known):
                kind = ElementTree.SubElement(direction, "direction-type")
                ElementTree.SubElement(kind, "words").text = words.format(after)


def _is_number(text: str | None) -> bool:
    try:
        return float(text or "") > 0
    except ValueError:
        return False


def _parse(data: bytes, played: bool) -> Score:
    music21 = required("music21", "MusicXML needs music21: pip install music21")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # overfull bars, slurs without an end
        importer = music21.musicxml.xmlToM21.MusicXMLImporter()
        importer.xmlRootToScore(_tree(data, played), importer.stream)
        score = importer.stream
        score.toSoundingPitch(inPlace=True)
        parts = []
        for _, instrument in groupby(score.parts, lambda part: str(part.id).split("-Staff")[0]):
            staves = list(instrument)
            velocity = velocities(staves)
            notes = [_tied(staff, played, velocity) for staff in staves]
            parts += held(staves, notes) if played else notes
        parts, ((_, tempo), *changes) = _unfolded(score, parts, tempos(score, played))
    return Score(tuple(notes for notes in parts if notes), tempo, tuple(changes))


def _unfolded(score: Any, parts: list[list[ScoreNote]], tempos: Tempos) -> tuple[list, Tempos]:
    """The notes of the parts, and the tempos, with all repeats of music21's score written out."""
    from music21.stream import Measure

    played = order(score.parts)
    if played == list(range(len(played))):
        return parts, tempos
    bounds = []  # for each part, where its bars begin, and its end
    for part in score.parts:
        own = [float(measure.offset) for measure in part.getElementsByClass(Measure)]
        bounds.append([*own, *[float(part.highestTime)] * (max(played) + 2 - len(own))])
    unfolded: list[list[ScoreNote]] = [[] for _ in parts]
    changes, place = [], 0.0
    for _, group in groupby(enumerate(played), key=lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        ends = [(own[run[0]], own[run[-1] + 1]) for own in bounds]
        for notes, part, (start, end) in zip(unfolded, parts, ends, strict=True):
            inside = part[bisect_left(part, (start,)) : bisect_left(part, (end,))]
            for note in inside:
                where = place + note.onset - start
                notes.append(note._replace(onset=where, duration=min(note.duration, end - note.onset)))
        if sum(map(len, unfolded)) > MOST:
            raise ValueError(f"its repeats make more than {MOST} notes")
        start, end = ends[0]
        before = [pair for pair in tempos if pair[0] <= start]
        changes += [(place, tempo) for _, tempo in before[-1:] or tempos[:1]]
        changes += [(place + where - start, tempo) for where, tempo in tempos if start < where < end]
        place += max(end - start for start, end in ends)
    return unfolded, changes
