"""Disentanglement: which level holds each factor, and how well the levels separate the factors.

The single number is the mutual information gap (MIG; Chen et al. 2018, eq. 6), over levels instead of single
channels: for each factor, the information that the best level has of it less that of the second best, as
shares of the factor's entropy, averaged over factors. It is 1 if every factor is in one level and in no
other, and 0 if for every factor two levels tell it equally well. It was preferred to DCI (Eastwood and
Williams 2018), whose importances come from one regressor on all codes together: if two levels both tell the
instrument, the regressor may use only one of them. The levels then look separate, but swapping that level
does not swap the instrument. For a swap it matters what each level tells by itself.

The information is what a probe reads (`scoring.Score.explained`). For cross-entropies it is a lower bound of
the mutual information; for values it is the explained share of the variance.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag

from msdae.analysis.probes.representations import LEVEL, RANDOM
from msdae.analysis.probes.study import Result
from msdae.evaluation.metrics.bootstrap import Interval, interval_of

# One task for each factor: not "program", which is a finer "instrument", and not "density" and "interval",
# which not even the latent's average tells for held-out pieces, so that any model's gap would be near 0.
FACTORS = ("pitch", "instrument", "velocity", "melody", "onset")


@dataclass(frozen=True)
class Factor:
    """A factor in one kind of clips ("notes" or "melodies").

    explained, random: the share of its information in each level, and in each level of untrained encoders.
    holder: the level that tells most. gap: by how much more than the next one; low, high: its 95 % interval.
    """

    clips: str
    task: str
    explained: tuple[float, ...]
    random: tuple[float, ...]
    holder: int
    gap: float
    low: float | None
    high: float | None

    @property
    def trained_into(self) -> int:
        """The level in which training raised the information most, or lowered it least."""
        return 1 + int(np.argmax(np.subtract(self.explained, self.random)))


@dataclass(frozen=True)
class Separation:
    """The MIG over levels of one checkpoint on one data set.

    mig, low, high: the MIG and its 95 % interval. random_mig: that of untrained encoders.
    """

    checkpoint: str
    data: str
    factors: tuple[Factor, ...]
    mig: float
    low: float | None
    high: float | None
    random_mig: float


def separation(results: Sequence[Result]) -> list[Separation]:
    """The separation for each checkpoint and data set, from the results of `study.run` for `FACTORS`."""
    separations = []
    for checkpoint, data in dict.fromkeys((r.checkpoint, r.data) for r in results if r.code == "h1"):
        of_factors = [
            r for r in results if (r.checkpoint, r.data) == (checkpoint, data) and r.task in FACTORS
        ]
        by_factor = [
            [r for r in of_factors if (r.clips, r.task) == factor]
            for factor in dict.fromkeys((r.clips, r.task) for r in of_factors)
        ]
        if not by_factor:
            continue
        trained = [_levels(of_factor) for of_factor in by_factor]
        factors = tuple(map(_factor, trained, (_levels(of_factor, RANDOM) for of_factor in by_factor)))
        mig = float(np.mean([factor.gap for factor in factors]))
        random_mig = float(np.mean([gaps(np.array(factor.random)) for factor in factors]))
        separations.append(Separation(checkpoint, data, factors, mig, *_interval(trained), random_mig))
    return separations


def gaps(explained: np.ndarray) -> np.ndarray:
    """Shares (levels, ...) -> (...): the highest level's less the second highest, none of them below 0."""
    ranked = np.sort(np.maximum(explained, 0), axis=0)
    return ranked[-1] - (ranked[-2] if len(ranked) > 1 else 0)


def _levels(results: list[Result], prefix: str = "") -> list[Result]:
    return [result for result in results if re.fullmatch(prefix + LEVEL, result.code)]


def _factor(levels: list[Result], controls: list[Result]) -> Factor:
    explained = tuple(result.explained for result in levels)
    return Factor(
        levels[0].clips,
        levels[0].task,
        explained,
        tuple(result.explained for result in controls),
        1 + int(np.argmax(explained)),
        float(gaps(np.array(explained))),
        *_interval([levels]),
    )


def _interval(factors: list[list[Result]]) -> Interval:
    """Bootstrap 95 % interval of the mean gap over factors.

    A group of clips is drawn for all factors at once; a draw without clips of some factor is left out.
    """
    blocks = [
        np.stack([*(level.losses for level in of), np.ones(len(of[0].losses))], axis=1) for of in factors
    ]
    places = np.cumsum([block.shape[1] for block in blocks])

    def figure(means: np.ndarray) -> np.ndarray:
        parts = [part.T for part in np.split(means, places[:-1], axis=1)]
        with np.errstate(invalid="ignore"):
            found = [gaps(1 - part[:-1] / part[-1]) for part in parts]
        return np.mean(found, axis=0)

    groups = [group for of in factors for group in of[0].groups]
    return interval_of(figure, block_diag(*blocks), groups)
