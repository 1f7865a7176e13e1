"""How sure a mean over clips is."""

from collections.abc import Sequence

import numpy as np


def interval(
    values: np.ndarray, groups: Sequence[str], draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Bootstrap 95 % interval of the mean of `values` (clips,).

    groups: of each clip; whole groups are drawn with replacement, because clips of one piece are alike.
    """
    members = np.unique(np.asarray(groups), return_inverse=True)[1]
    sums, sizes = np.bincount(members, weights=values), np.bincount(members)
    drawn = np.random.default_rng(seed).integers(len(sizes), size=(draws, len(sizes)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
