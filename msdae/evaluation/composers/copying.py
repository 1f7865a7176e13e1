"""How much of a tune is copied from the training set: runs of notes, in any key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msdae.symbolic.notes import Score
from msdae.symbolic.runs import RUN, intervals
from msdae.symbolic.tokens import line

LONGEST = 64  # intervals in the longest run that is looked for, so 65 notes


@dataclass(frozen=True)
class Copied:
    """What a score has copied.

    share: of its runs of `RUN` notes, the share that are in the training set; 0 if it has no such run.
    longest: number of notes in the longest copied run of any length.
    """

    share: float
    longest: int


class TrainingRuns:
    """The runs of notes in the parts of a training set.

    A run is a sequence of intervals, each with the duration of its second note, so that keys do not matter.
    """

    def __init__(self, scores: Iterable[Score]):
        self.text = "|".join(_text(run) for score in scores for run in _steps(score))
        self.runs = {
            run[first : first + RUN - 1]
            for run in (tuple(piece.split()) for piece in self.text.split("|"))
            for first in range(len(run) - RUN + 2)
        }

    def copied(self, score: Score) -> Copied:
        """What `score` has copied from the training set."""
        total = known = longest = 0
        for run in _steps(score):
            words = tuple(_text(run).split())
            flags = [words[i : i + RUN - 1] in self.runs for i in range(max(0, len(words) - RUN + 2))]
            total, known = total + len(flags), known + sum(flags)
            longest = max(longest, self._longest(words))
        return Copied(known / total if total else 0.0, longest)

    def _longest(self, words: Sequence[str]) -> int:
        """The number of notes in the longest run that is in the training set; 0 if there is none."""
        best = 0
        for first in range(len(words)):
            while best < LONGEST and first + best + 1 <= len(words):
                if f" {' '.join(words[first : first + best + 1])} " not in self.text:
                    break
                best += 1
        return best + 1 if best else 0


def _steps(score: Score) -> list[list[tuple[int, int]]]:
    return [intervals(line(part)) for part in score.parts]


def _text(run: Sequence[tuple[int, int]]) -> str:
    return f" {' '.join(f'{interval}:{ticks}' for interval, ticks in run)} "
