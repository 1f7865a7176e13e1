"""The velocities of written notes, from the dynamic marks, hairpins and accents that music21 reads."""

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

from msdae.symbolic.notes import VELOCITY

# The velocities at which MuseScore and other programs play the marks.
MARKS = {"pppp": 10, "ppp": 16, "pp": 33, "p": 49, "mp": 64}
MARKS |= {"mf": 80, "f": 96, "ff": 112, "fff": 126, "ffff": 127}
STEP = 16  # velocity between adjacent marks; also the effect of an accent, and of a hairpin without a goal
STRESS = re.compile(r"fpp?|pf|r?fz|rf|sf+z?p*")  # marks that stress only the notes at which they stand
NEAR = 1.0  # quarter lengths after a hairpin within which a mark counts as its goal


def velocities(staves: Collection[Any]) -> Callable[[Any], int]:
    """A function that returns the velocity (1 to 127) of any of an instrument's notes or chords.

    A mark holds for all staves of the instrument, up to the next mark. A hairpin changes the velocity
    linearly from where it begins to the mark at its end; without such a mark, it changes it by `STEP`.

    staves: the staves of one instrument, as music21's parts.
    """
    from music21.articulations import Accent  # StrongAccent is a subclass

    levels, stressed, hairpins = _signs(staves)
    slopes: list[tuple[float, float, float, float]] = []
    for start, end, step in sorted(hairpins):
        level = _level(sorted(levels.items()), start)
        goals = [levels[place] for place in sorted(levels) if end <= place <= end + NEAR]
        goal = goals[0] if goals and (goals[0] - level) * step > 0 else min(127, max(1, level + step))
        levels.setdefault(end, goal)
        slopes.append((start, end, level, goal))
    steps = sorted(levels.items())

    def velocity(note: Any) -> int:
        place = float(note.offset)
        level = _level(steps, place)
        for start, end, first, goal in slopes:
            if start <= place < end:
                level = first + (goal - first) * (place - start) / (end - start)
        if place in stressed or any(isinstance(sign, Accent) for sign in note.articulations):
            level += STEP
        return min(127, round(level))

    return velocity


def _signs(
    staves: Collection[Any],
) -> tuple[dict[float, float], set[float], list[tuple[float, float, int]]]:
    """{place: velocity} of the marks of music21's parts, the places of stresses, and the hairpins: where each
    begins and ends, and its step up or down."""
    from music21.dynamics import Crescendo, Dynamic, DynamicWedge

    levels: dict[float, float] = {}
    stressed, hairpins = set(), []
    for staff in staves:
        for mark in staff.flatten().getElementsByClass(Dynamic):
            if STRESS.fullmatch(mark.value):
                stressed.add(float(mark.offset))
            elif mark.value in MARKS:
                levels[float(mark.offset)] = MARKS[mark.value]
        for wedge in staff.recurse().getElementsByClass(DynamicWedge):
            first, last = (_place(note, staves) for note in (wedge.getFirst(), wedge.getLast()))
            if first is not None and last is not None:
                end = last + float(wedge.getLast().quarterLength)
                hairpins.append((first, end, STEP if isinstance(wedge, Crescendo) else -STEP))
    return levels, stressed, hairpins


def _place(note: Any, staves: Collection[Any]) -> float | None:
    """Where a note of an instrument is, in any of its staves; None for a grace note that music21 has replaced
    and lost."""
    from music21.sites import SitesException

    for staff in staves:
        with suppress(SitesException):
            return float(note.getOffsetInHierarchy(staff))
    return None


def _level(steps: Sequence[tuple[float, float]], place: float) -> float:
    """The velocity at `place`: that of the last (place, velocity) not after it, or `VELOCITY` before all."""
    index = bisect_right(steps, (place, math.inf))
    return steps[index - 1][1] if index else VELOCITY
