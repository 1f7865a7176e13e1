"""The strokes in which notes are played: ornaments, tremolos and rolled chords, as music21 reads them."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

ROLL = 1 / 8  # quarter lengths at most between the tones of a rolled chord
MOST = 1 / 2  # share of a rolled chord within which all of its tones begin
STROKES = 1000  # of one note at most
MARKS = 3  # beams of a tremolo without a number


class Stroke(NamedTuple):
    """A tone that is played: onset and length in quarter lengths, and semitones above the written one."""

    onset: float
    length: float
    step: float = 0


def ornaments(part: Any) -> Callable[[Any, Any, float, float], list[Stroke]]:
    """A function that returns the strokes of a tone of music21's part.

    Trills and tremolos fill their note with strokes; a note that is tied to a trilled one goes on with its
    trill. Of a chord, the highest tone has the ornament.

    The function takes a note or chord, the tone of it, its onset and its length.
    """
    trills = _trills(part)

    def strokes(note: Any, tone: Any, onset: float, length: float) -> list[Stroke]:
        if times := _tremolo(note, onset, length):
            return times
        ornament = trills.get(id(note)) or _ornament(note)
        if ornament is not None and tone is _highest(note):
            return _figure(ornament, note, tone, onset, length)
        shift = 0.0 if goes_on(tone) else _roll(note, tone, length)
        return [Stroke(onset + shift, length - shift)]

    return strokes


def _trills(part: Any) -> dict[int, Any]:
    """The trill of each trilled note or chord, by its id; also of those that a tie goes on with."""
    from music21.expressions import Trill

    trills: dict[int, Any] = {}
    held: dict[tuple[float, float], Any] = {}  # the trill that goes on, by the pitch and the end of its note
    for note in part.flatten().notes:
        tone = _highest(note)
        if tone is None:
            continue
        place, end = (round(float(note.offset + length), 4) for length in (0, note.quarterLength))
        before = held.pop((tone.pitch.ps, place), None) if goes_on(tone) else None
        trill = next((sign for sign in note.expressions if isinstance(sign, Trill)), before)
        if trill is not None:
            trills[id(note)] = trill
            if tone.tie and tone.tie.type != "stop":
                held[tone.pitch.ps, end] = trill
    return trills


def _ornament(note: Any) -> Any:
    """The first mordent or turn of a note or chord; None if it has none."""
    from music21.expressions import GeneralMordent, Turn

    return next((sign for sign in note.expressions if isinstance(sign, GeneralMordent | Turn)), None)


def _figure(ornament: Any, note: Any, tone: Any, onset: float, length: float) -> list[Stroke]:
    """The strokes in which music21's ornament plays a tone of a note or chord."""
    from music21.expressions import Trill
    from music21.key import KeySignature

    plain = copy.deepcopy(tone)
    is_trill = isinstance(ornament, Trill)
    plain.quarterLength = 2 * ornament.quarterLength if is_trill else length
    key = note.getContextByClass(KeySignature) or KeySignature(0)
    before, main, after = ornament.realize(plain, keySig=key)
    tones = [*before, *([] if main is None else [main]), *after]
    if is_trill:
        tones *= min(STROKES // 2, max(1, int(length / plain.quarterLength)))
    total = float(sum(other.quarterLength for other in tones))
    strokes, place = [], 0.0
    for other in tones:
        share = length * float(other.quarterLength) / total
        step = other.pitch.ps - plain.pitch.ps
        strokes.append(Stroke(onset + place, share, step if step % 1 else int(step)))
        place += share
    return strokes


def _tremolo(note: Any, onset: float, length: float) -> list[Stroke]:
    """The strokes of a note or chord with a tremolo, or its share in one between two; none without."""
    from music21.expressions import Tremolo, TremoloSpanner

    for sign in note.expressions:
        if isinstance(sign, Tremolo):
            count = _count(note, sign.numberOfMarks, length)
            return [Stroke(onset + length * n / count, length / count) for n in range(count)]
    for span in note.getSpannerSites([TremoloSpanner]):
        both = span.getSpannedElements()
        if len(both) == 2:
            first, second = (float(other.quarterLength) for other in both)
            start = onset if note is both[0] else onset - first
            pairs = max(1, _count(note, span.numberOfMarks, first + second) // 2)
            length = (first + second) / (2 * pairs)
            start += length * (note is both[1])
            return [Stroke(start + 2 * length * n, length) for n in range(pairs)]
    return []


def _count(note: Any, marks: int, length: float) -> int:
    """The number of strokes in a length, with the marks of a tremolo added to the flags of its note."""
    from music21.duration import convertTypeToQuarterLength

    kind = note.duration.type
    beat = 1.0 if kind in ("complex", "inexpressible") else min(1.0, float(convertTypeToQuarterLength(kind)))
    return min(STROKES, max(1, round(length / (beat * 2.0 ** -(marks or MARKS)))))


def _roll(note: Any, tone: Any, length: float) -> float:
    """By how much a tone of a rolled chord is late, from its lowest or highest tone on."""
    from music21.expressions import ArpeggioMark

    kinds = [sign.type for sign in note.expressions if isinstance(sign, ArpeggioMark)]
    tones = sorted(_tones(note), key=lambda other: other.pitch.ps, reverse="down" in kinds)
    if len(tones) < 2 or not kinds or kinds[0] == "non-arpeggio":
        return 0.0
    return min(ROLL, MOST * length / (len(tones) - 1)) * next(n for n, o in enumerate(tones) if o is tone)


def _tones(note: Any) -> list[Any]:
    """The pitched tones of a note or chord."""
    return [tone for tone in getattr(note, "notes", [note]) if hasattr(tone, "pitch")]


def _highest(note: Any) -> Any:
    return max(_tones(note), key=lambda tone: tone.pitch.ps, default=None)


def goes_on(tone: Any) -> bool:
    """Whether a tone is tied to what is before it."""
    return bool(tone.tie) and tone.tie.type != "start"
