"""Until when pedals let notes sound."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

Stroke = tuple[float, float, float]  # key down, key up, pitch
Moves = Sequence[tuple[float, bool]]  # (time, whether the pedal is down from then on), in order
NEVER = float("inf")


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
