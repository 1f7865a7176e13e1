"""The tempos of a music21 score: those of its marks, and where fermatas hold the music."""

from bisect import bisect_left
from heapq import heappop, heappush
from typing import Any

from msdae.symbolic.notes import SLOWEST, Tempos, check_tempos

USUAL = 100.0  # quarter notes a minute, the default of a score without a tempo
# How often as long as written a note or rest with a fermata lasts, by MusicXML's name of the sign; these are
# MuseScore's numbers.
FERMATAS = {"double-angled": 1.25, "angled": 1.5, "half-curve": 1.5, "square": 3.0, "double-dot": 3.0}
FERMATAS |= {"double-square": 4.0}
FERMATA = 2.0  # of all other signs
NEAR = 1e-6  # quarter lengths


def tempos(score: Any, played: bool) -> Tempos:
    """(place in quarter lengths, quarter notes a minute) of each tempo of music21's score, the first at 0.

    played: whether fermatas count. One makes its note or rest, of any part, longer by holding what all parts
        play at its end.

    Raises:
        ValueError: a mark has an impossible tempo.
    """
    from music21.tempo import MetronomeMark

    marks: dict[float, float] = {}
    for mark in score.flatten().getElementsByClass(MetronomeMark):
        if tempo := mark.getQuarterBPM():
            marks.setdefault(float(mark.offset), float(tempo))
    marks.setdefault(0.0, USUAL)  # holds until the first mark
    check_tempos(marks.items())
    return _held(marks, _fermatas(score) if played else [])


def _fermatas(score: Any) -> list[tuple[float, float, float]]:
    """(beginning, end, how often as long) of what each fermata of music21's score holds, in order.

    A fermata holds the last that any part begins within its note.
    """
    from music21.expressions import Fermata

    notes = [note for note in score.flatten().notesAndRests if note.quarterLength > 0]
    onsets = sorted({float(note.offset) for note in notes})
    holds = []
    for note in notes:
        for sign in note.expressions:
            if isinstance(sign, Fermata):
                onset, end = float(note.offset), float(note.offset + note.quarterLength)
                last = max(onset, onsets[bisect_left(onsets, end - NEAR) - 1])
                more = (FERMATAS.get(sign.shape, FERMATA) - 1) * (end - onset)
                holds.append((last, end, 1 + more / (end - last)))
    return sorted(holds)


def _held(marks: dict[float, float], holds: list[tuple[float, float, float]]) -> Tempos:
    """The tempos of the marks, where they are held with the longest hold at each place."""
    changes: list[tuple[float, float]] = []
    holding: list[tuple[float, float]] = []  # (-how often as long, end), the longest first
    waiting, mark = list(reversed(holds)), USUAL
    for place in sorted({*marks, *(edge for hold in holds for edge in hold[:2])}):
        mark = marks.get(place, mark)
        while waiting and waiting[-1][0] <= place:
            _, end, times = waiting.pop()
            heappush(holding, (-times, end))
        while holding and holding[0][1] <= place:
            heappop(holding)
        tempo = max(SLOWEST, mark / -holding[0][0]) if holding else mark
        if place in marks or tempo != changes[-1][1]:
            changes.append((place, tempo))
    return changes
