"""Until when pedals let notes sound, and the pedal marks of MusicXML."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

from msdae.symbolic.notes import ScoreNote

Stroke = tuple[float, float, float]  # key down, key up, pitch
Moves = Sequence[tuple[float, bool]]  # (time, whether the pedal is down from then on), in order
NEVER = float("inf")
SUSTAIN, SOSTENUTO = SIGNS = "\ue650", "\ue659"  # the signs of the pedals in fonts for music
DOWN = ("start", "sostenuto", "change")  # marks at which a pedal goes down, and up before if it is down
LATE = 1e-3  # quarter lengths after such a mark; what ends at the mark is not held


def ends(
    strokes: Sequence[Stroke], sustain: Moves = (), sostenuto: Moves = (), silences: Iterable[float] = ()
) -> list[float]:
    """The times at which strokes stop sounding, in the unit of the strokes.

    A stroke whose key goes up while the sustain pedal is down sounds on until the pedal goes up or its key is
    struck again, and so does one whose key was down when the sostenuto pedal went down. A pedal that never
    goes up does so at the end of the last stroke.

    strokes: all that the pedals hold, in any order. silences: times at which all sounds end.
    """
    again = _again(strokes)
    times = [offset for _, offset, _ in strokes]
    downs, ups = _holds(sostenuto, times)
    for place, (onset, offset, _) in enumerate(strokes):
        index = bisect_left(downs, offset) - 1
        if index >= 0 and downs[index] >= onset:
            times[place] = max(offset, min(ups[index], again[place]))
    downs, ups = _holds(sustain, times)
    for place, end in enumerate(times):
        index = bisect_right(downs, end) - 1
        if index >= 0 and end < ups[index]:
            times[place] = max(end, min(ups[index], again[place]))
    stops = [*sorted(silences), NEVER]
    return [min(end, stops[bisect_right(stops, s[0])]) for s, end in zip(strokes, times, strict=True)]


def _again(strokes: Sequence[Stroke]) -> list[float]:
    """When the key of each stroke is struck next; `NEVER` if it is not."""
    onsets: dict[float, list[float]] = defaultdict(list)
    for onset, _, pitch in sorted(strokes):
        onsets[pitch].append(onset)
    for same in onsets.values():
        same.append(NEVER)
    return [onsets[pitch][bisect_right(onsets[pitch], onset)] for onset, _, pitch in strokes]


def _holds(pedal: Moves, times: Sequence[float]) -> tuple[list[float], list[float]]:
    """When a pedal goes down, and when it goes up again after each of these times."""
    moves = [(0.0, False), *pedal]
    moves = moves[:1] + [new for old, new in pairwise(moves) if new[1] != old[1]]
    downs = [time for time, is_down in moves if is_down]
    ups = [time for time, is_down in moves[1:] if not is_down]
    return downs, [*ups, max([*times, *downs], default=0.0)][: len(downs)]


def write_marks(root: ElementTree.Element) -> None:
    """Make the pedal marks of a MusicXML score words that say the pedal and the type of the mark.

    music21 keeps the places of words, but of pedal marks only the notes between them.
    """
    for part in root.findall("part"):
        pedals: dict[str | None, str] = {}  # by the marks' numbers
        for mark in part.iter("pedal"):
            number, kind = mark.get("number"), mark.get("type", "")
            if kind in ("start", "sostenuto"):
                pedals[number] = SOSTENUTO if kind == "sostenuto" else SUSTAIN
            mark.clear()
            mark.tag, mark.text = "words", f"{pedals.get(number, SUSTAIN)} {kind}"


def held(staves: Iterable[Any], parts: list[list[ScoreNote]]) -> list[list[ScoreNote]]:
    """The notes of an instrument's staves, `parts`, as long as its pedals let them sound.

    staves: music21's parts, of a score that `write_marks` has changed; a mark holds for all of them.
    """
    moves = _moves(staves)
    if not any(moves.values()):
        return parts
    strokes = [(note.onset, note.onset + note.duration, note.pitch) for part in parts for note in part]
    times = iter(ends(strokes, moves[SUSTAIN], moves[SOSTENUTO]))
    return [[note._replace(duration=next(times) - note.onset) for note in part] for part in parts]


def _moves(staves: Iterable[Any]) -> dict[str, list[tuple[float, bool]]]:
    """The moves of each pedal, by its sign."""
    from music21.expressions import TextExpression

    moves: dict[str, set[tuple[float, bool]]] = {sign: set() for sign in SIGNS}
    for staff in staves:
        for text in staff.flatten().getElementsByClass(TextExpression):
            sign, _, kind = (text.content or "").partition(" ")
            if sign in moves and kind in (*DOWN, "stop"):
                place = float(text.offset)
                moves[sign] |= {(place, False)} | ({(place + LATE, True)} if kind in DOWN else set())
    return {sign: sorted(places) for sign, places in moves.items()}
