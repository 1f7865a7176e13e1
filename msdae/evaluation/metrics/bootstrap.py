"""Bootstrap intervals of a mean over clips, or of a figure that is computed from several means."""

from collections.abc import Callable, Sequence

import numpy as np

Interval = tuple[float, float] | tuple[None, None]  # both ends; None if they cannot be estimated


def interval(values: np.ndarray, groups: Sequence[str], draws: int = 1000, seed: int = 0) -> Interval:
    """Bootstrap 95 % interval of the mean of `values` (clips,).

    groups: the group of each clip, such as its piece; whole groups are drawn with replacement, because clips
        of one piece are alike. A single group does not tell how much groups differ, so it has no interval.
    """
    return interval_of(lambda means: means[:, 0], np.asarray(values)[:, None], groups, draws, seed)


def interval_of(
    figure: Callable[[np.ndarray], np.ndarray],
    values: np.ndarray,
    groups: Sequence[str],
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """Bootstrap 95 % interval of `figure`, a function of the means of paired columns, such as their ratio.

    figure: means (draws, columns) -> (draws,); draws for which it is NaN are left out.
    values: (clips, columns); a clip is drawn with all its columns. groups: as in `interval`.
    """
    members = np.unique(np.asarray(groups), return_inverse=True)[1]
    sizes = np.bincount(members)
    if len(sizes) < 2:
        return None, None
    sums = np.stack([np.bincount(members, weights=column) for column in values.T], axis=1)
    drawn = np.random.default_rng(seed).integers(len(sizes), size=(draws, len(sizes)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)[:, None]
    found = figure(means)
    if np.isnan(found).all():
        return None, None
    low, high = np.percentile(found[~np.isnan(found)], [2.5, 97.5])
    return float(low), float(high)
