"""When the notes of written music sound: staccato, grace notes and ornaments, as music21 reads them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from msdae.symbolic.ornaments import Stroke, goes_on, ornaments

STACCATO, STACCATISSIMO, PORTATO = 1 / 2, 1 / 3, 2 / 3  # shares of its length that such a note sounds
SHORT = 1 / 8  # quarter lengths of a grace note with a slash
MOST = 1 / 2  # share of a note that its grace notes take


class Sounding(NamedTuple):
    """When the notes of a part sound, in quarter lengths.

    strokes: a function of a note or chord of the part, flattened, and of a tone of it, that gives the strokes
    in which the tone is played. graces: (note or chord, onset, length) of each grace note.
    """

    strokes: Callable[[Any, Any], list[Stroke]]
    graces: list[tuple[Any, float, float]]


def sounding(part: Any) -> Sounding:
    """When the notes of music21's part sound.

    Grace notes begin on the beat, and what they last is taken from the note that they lead to; at the end of
    a bar they end with it, and it is taken from the note before them. Those with a slash are short, others
    have their written length, all together at most half of the note.
    """
    from music21.stream import Measure

    before: dict[int, float] = {}  # what is taken from the beginning of a note, by its id, and from its end
    after: dict[int, float] = {}
    graces: list[tuple[Any, float, float]] = []
    for measure in part.getElementsByClass(Measure):
        for voice in measure.voices or [measure]:
            for group, note, leads in _groups(voice):
                lengths = _lengths(group, note)
                (before if leads else after)[id(note)] = total = sum(lengths)
                place = float(measure.offset + voice.offset * (voice is not measure) + note.offset)
                place += 0.0 if leads else float(note.quarterLength) - total
                for grace, length in zip(group, lengths, strict=True):
                    graces.append((grace, place, length))
                    place += length

    ornamented = ornaments(part)

    def strokes(note: Any, tone: Any) -> list[Stroke]:
        lead = before.get(id(note), 0.0)
        length = float(note.quarterLength) - lead - after.get(id(note), 0.0)
        share = _share(note)
        played = ornamented(note, tone, float(note.offset) + lead, length)
        return [stroke._replace(length=share * stroke.length) for stroke in played]

    return Sounding(strokes, graces)


def _groups(voice: Any) -> Iterator[tuple[list[Any], Any, bool]]:
    """Grace notes that follow each other, the note that they lead to or else follow, and which it is."""
    group: list[Any] = []
    last = None
    for note in voice.notes:
        if note.duration.isGrace:
            group.append(note)
        elif note.quarterLength > 0:
            if group and not any(map(goes_on, getattr(note, "notes", [note]))):
                yield group, note, True
            group, last = [], note
    if group and last is not None:
        yield group, last, False


def _lengths(group: Sequence[Any], note: Any) -> list[float]:
    """Quarter lengths of grace notes beside the note that they are taken from."""
    from music21.duration import convertTypeToQuarterLength

    lengths = [
        SHORT if grace.duration.slash else convertTypeToQuarterLength(grace.duration.type) for grace in group
    ]
    fit = min(1.0, MOST * float(note.quarterLength) / sum(lengths))
    return [fit * float(length) for length in lengths]


def _share(note: Any) -> float:
    """The share of its length that a note or chord sounds."""
    from music21.articulations import DetachedLegato, Staccatissimo, Staccato

    if any(tone.tie for tone in getattr(note, "notes", [note])):
        return 1.0
    for kind, share in ((Staccatissimo, STACCATISSIMO), (Staccato, STACCATO), (DetachedLegato, PORTATO)):
        if any(isinstance(sign, kind) for sign in note.articulations):
            return share
    return 1.0
