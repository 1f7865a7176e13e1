"""How evenly swaps of strength 0 to 1 go from one timbre to the other, and whether the melody stays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from msdae.evaluation.swapbench.cases import Case
from msdae.evaluation.swapbench.run import batches, render
from msdae.evaluation.swapbench.scores import melody_and_timbre
from msdae.evaluation.swapbench.systems import CaseBatch, Model
from msdae.evaluation.tables import Table, Value, counted, mean_cell
from msdae.inference.pipeline import strengths
from msdae.progress import Progress, silent

POINTS, LEVELS = 11, (1,)
COURSE_HEADER = ("point", "strength", "probability of the timbre source's instrument ↑", "melody F1 ↑")


@dataclass(frozen=True)
class Course:
    """Scores of one case at every strength.

    piece: of the melody source. probability: of the timbre source's instrument, (points,).
    melody_f1: (points,).
    """

    piece: str
    probability: np.ndarray
    melody_f1: np.ndarray

    @property
    def spearman(self) -> float:
        """Rank correlation of strength and probability; 0 if the probability never changes."""
        if np.ptp(self.probability) == 0:
            return 0.0
        return float(spearmanr(np.arange(len(self.probability)), self.probability).statistic)


def courses(
    model: Model,
    cases: Sequence[Case],
    points: int = POINTS,
    progress: Progress = silent,
) -> list[Course]:
    """Swap level 1 of every case at `points` strengths from 0 to 1, and score the outputs."""
    results = []
    with progress(total=len(cases) * points, desc="interpolating", unit="output") as bar:
        for group in batches(cases):
            batch = CaseBatch(group, *render(group))
            rows = []
            for strength in strengths(points):
                rows.append(melody_and_timbre(group, model.swap(batch, LEVELS, strength)))
                bar.update(len(group))
            for case, heard in zip(group, zip(*rows, strict=True), strict=True):
                f1, _, probability = np.array(heard).T
                results.append(Course(case.melody.piece, probability, f1))
    return results


def table(series: Sequence[Course], split: str, command: str = "") -> Table:
    """Mean Spearman correlation, mean probability at both ends, and mean melody F1: at strength 0, the lowest
    and the highest."""
    f1 = np.mean([course.melody_f1 for course in series], axis=0)
    probability = np.mean([course.probability for course in series], axis=0)
    pieces = [course.piece for course in series]
    spearman = mean_cell(np.array([course.spearman for course in series]), pieces)
    rows = (
        ("cases", Value(len(series), digits=0)),
        ("Spearman of strength and probability, mean", spearman),
        ("probability of the timbre source's instrument, strength 0", Value(float(probability[0]), digits=2)),
        ("probability, strength 1", Value(float(probability[-1]), digits=2)),
        ("melody F1, strength 0", Value(float(f1[0]), digits=2)),
        ("melody F1, lowest on the way", Value(float(f1.min()), digits=2)),
        ("melody F1, highest on the way", Value(float(f1.max()), digits=2)),
    )
    return Table(f"Interpolation, {split}", ("figure", "value"), rows, command=command)


def course_table(series: Sequence[Course], split: str, command: str = "") -> Table:
    """The mean probability of the timbre source's instrument and the mean melody F1 at every strength."""
    pieces = [course.piece for course in series]
    probabilities = np.array([course.probability for course in series]).T
    scores = np.array([course.melody_f1 for course in series]).T
    rows = tuple(
        (f"{strength:.2f}", Value(strength, digits=2), mean_cell(probability, pieces), mean_cell(f1, pieces))
        for strength, probability, f1 in zip(strengths(len(scores)), probabilities, scores, strict=True)
    )
    note = f"{counted(len(series), 'case')}. Means with bootstrap 95 % intervals over melody pieces."
    return Table(f"Interpolation, {split}: every strength", COURSE_HEADER, rows, note, command)
