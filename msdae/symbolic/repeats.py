"""The order in which the bars of a music21 score are played, with repeats, endings and jumps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

MOST = 10_000  # bars with all repeats; an hour of music has fewer
JUMP, SEGNO, CODA, FINE = ("DaCapo", "DalSegno"), "Segno", "Coda", "Fine"  # music21's names of the signs


@dataclass
class Bar:
    """The repeat signs of a bar. A turn is one pass through a repeated section; the first is 1.

    begins: whether a repeated section begins with this bar. times: how often the section that ends with this
    bar is played. endings: the turns in which this bar is played; empty for all of them. signs: music21's
    names of its other signs, such as "Segno".
    """

    begins: bool = False
    times: int = 1
    endings: set[int] = field(default_factory=set)
    signs: set[str] = field(default_factory=set)


def order(parts: Sequence[Any]) -> list[int]:
    """The numbers of the bars, counted from 0, in the order in which they are played.

    A sign in any part holds for all parts. After a jump, repeats are not taken and the last ending is played.
    Signs without a destination are ignored.

    parts: music21's parts.

    Raises:
        ValueError: more than `MOST` bars are played.
    """
    bars = _bars(parts)
    turns = _turns(bars)
    played: list[int] = []
    place, begin, turn, jump = 0, 0, 1, ""
    while place < len(bars):
        bar, following = bars[place], bars[place + 1] if place + 1 < len(bars) else Bar()
        after = place > 0 and bool(bars[place - 1].endings) and not bar.endings
        if place != begin and (bar.begins or after):
            begin, turn = place, 1
        if bar.endings and (max(turns[place]) if jump else turn) not in bar.endings:
            place += 1
            continue
        played.append(place)
        if len(played) > MOST:
            raise ValueError(f"its repeats make more than {MOST} bars")
        ends = bar.times > 1 or (bar.endings and following.endings not in (bar.endings, set()))
        if ends and not jump:
            if turn + 1 in turns[place] if bar.endings else turn < bar.times:
                place, turn = begin, turn + 1
                continue
            begin, turn = (place + 1, 1) if bar.times > 1 else (begin, turn)
        place, jump = _next(bars, place, jump)
    return played


def _next(bars: Sequence[Bar], place: int, jump: str) -> tuple[int, str]:
    """The bar that follows the one at `place`, and the jump that has been taken by then, "" for none."""
    signs = bars[place].signs

    def find(sign: str) -> list[int]:
        return [number for number, bar in enumerate(bars) if sign in bar.signs]

    if jump:
        codas = find(CODA) if jump.endswith("AlCoda") else []
        if FINE in signs:
            return len(bars), jump
        return (codas[1] if len(codas) == 2 and place == codas[0] else place + 1), jump
    for sign in sorted(signs):
        to = [0] if sign.startswith(JUMP[0]) else find(SEGNO)
        if sign.startswith(JUMP) and to and to[0] <= place:
            return to[0], sign
    return place + 1, jump


def _turns(bars: Sequence[Bar]) -> list[set[int]]:
    """For each bar, all turns of the group of adjacent endings that it belongs to."""
    turns: list[set[int]] = []
    for _, group in groupby(bars, key=lambda bar: bool(bar.endings)):
        among = list(group)
        turns += [set().union(*(bar.endings for bar in among))] * len(among)
    return turns


def _bars(parts: Sequence[Any]) -> list[Bar]:
    """What the measures of music21's parts say together."""
    from music21 import repeat, spanner, stream

    measures = [list(part.getElementsByClass(stream.Measure)) for part in parts]
    bars = [Bar() for _ in range(max(map(len, measures), default=0))]
    for part, own in zip(parts, measures, strict=True):
        for number, measure in enumerate(own):
            _add_repeats(bars, number, measure)
            found = measure.getElementsByClass(repeat.RepeatExpression)
            bars[number].signs.update(type(sign).__name__ for sign in found)
        numbers = {id(measure): number for number, measure in enumerate(own)}
        for bracket in part.recurse().getElementsByClass(spanner.RepeatBracket):
            for measure in bracket.getSpannedElements():
                if id(measure) in numbers:
                    bars[numbers[id(measure)]].endings.update(set(bracket.numberRange) - {0})
    return bars


def _add_repeats(bars: Sequence[Bar], number: int, measure: Any) -> None:
    """Note the repeats that begin or end at either line of music21's measure `number`."""
    from music21.bar import Repeat

    for line, ended in ((measure.leftBarline, number - 1), (measure.rightBarline, number)):
        if not isinstance(line, Repeat):
            continue
        if line.direction == "end" and ended >= 0:
            bars[ended].times = max(bars[ended].times, line.times or 2)
        elif line.direction == "start" and ended + 1 < len(bars):
            bars[ended + 1].begins = True
