"""The strokes in which notes are played: ornaments, tremolos and rolled chords, as music21 reads them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

ROLL = 1 / 8  # quarter lengths at most between the tones of a rolled chord
MOST = 1 / 2  # share of a rolled chord within which all of its tones begin
STROKES = 1000  # of one note at most
NEAR = 1e-6  # quarter lengths
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
    places = {id(note): float(note.offset) for note in part.flatten().notes}

    def strokes(note: Any, tone: Any, onset: float, length: float) -> list[Stroke]:
        if times := _tremolo(note, onset, length) or _alternation(note, onset, places):
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
    from music21.expressions import GeneralMordent, Trill

    unit = float(ornament.quarterLength)
    if isinstance(ornament, Trill):
        count = min(STROKES // 2, max(1, int(length / (2 * unit))))
        figure = [(0, 1.0), (_step(ornament, note, tone), 1.0)] * count
    elif isinstance(ornament, GeneralMordent):
        unit = min(unit, length / 4)
        figure = [(0, unit), (_step(ornament, note, tone), unit), (0, length - 2 * unit)]
    else:
        figure = _turn(ornament, note, tone, length)
    strokes, place, total = [], 0.0, sum(share for _, share in figure)
    for step, share in figure:
        strokes.append(Stroke(onset + place, length * share / total, step))
        place += length * share / total
    return strokes


def _turn(ornament: Any, note: Any, tone: Any, length: float) -> list[tuple[float, float]]:
    """The step and the length of each stroke of music21's turn."""
    from music21.common.enums import OrnamentDelay
    from music21.expressions import InvertedTurn

    late = 0.0 if ornament.delay == OrnamentDelay.NO_DELAY else length / 2
    unit = min(float(ornament.quarterLength), (length - late) / 4)
    first, last = (_step(ornament, note, tone, which) for which in ("upper", "lower"))
    if isinstance(ornament, InvertedTurn):
        first, last = last, first
    figure = [(first, unit), (0, unit), (last, unit), (0, length - late - 3 * unit)]
    return [(0, late), *figure] if late else figure


def _step(ornament: Any, note: Any, tone: Any, *which: str) -> float:
    """The semitones from a tone to a neighbour in an ornament.

    The neighbour is that in the written key, or the one with the ornament's accidental. music21's `realize`
    has the key overrule a natural.
    """
    from music21.instrument import Instrument
    from music21.key import KeySignature
    from music21.note import Note

    key, written = note.getContextByClass(KeySignature) or KeySignature(0), Note(tone.pitch)
    player = note.getContextByClass(Instrument)
    if player and player.transposition:
        back = player.transposition.reverse()
        key, written = key.transpose(back), written.transpose(back)
    step = ornament.getSize(written, *which, keySig=key).semitones
    return step if step % 1 else int(step)


def _tremolo(note: Any, onset: float, length: float) -> list[Stroke]:
    """The strokes of a note or chord with a tremolo; none without."""
    from music21.expressions import Tremolo

    for sign in note.expressions:
        if isinstance(sign, Tremolo):
            count = _count(note, sign.numberOfMarks, length)
            return [Stroke(onset + length * n / count, length / count) for n in range(count)]
    return []


def _alternation(note: Any, onset: float, places: Mapping[int, float]) -> list[Stroke]:
    """The strokes of a note or chord in a tremolo of two that follow each other; none without.

    places: where the notes and chords of the part begin, by their ids.
    """
    from music21.expressions import TremoloSpanner

    for span in note.getSpannerSites([TremoloSpanner]):
        both = span.getSpannedElements()
        if len(both) != 2 or not all(id(other) in places for other in both):
            continue
        first, second = (float(other.quarterLength) for other in both)
        if abs(places[id(both[0])] + first - places[id(both[1])]) < NEAR:
            pairs = max(1, _count(note, span.numberOfMarks, first + second) // 2)
            length = (first + second) / (2 * pairs)
            start = onset if note is both[0] else onset - first + length
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
