"""How alike two sets of scores are: the overlapping area of the distributions of their features.

Source: Yang and Lerch 2020, "On the evaluation of generative models in music" (MGEval).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

GRID = 512  # points at which densities are compared


def overlapping_area(first: Sequence[float], second: Sequence[float]) -> float:
    """The area below both of two density estimates: from 0 (apart) to 1 (equal).

    The densities have Gaussian kernels by Silverman's rule. Both have one width, from the spread of all
    values together, so that equal sets have area 1 and few values give no spikes.
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    both = np.concatenate([a, b])
    spread = both.std()
    if spread < 1e-9:
        return 1.0
    width = 1.06 * spread * min(len(a), len(b)) ** -0.2
    grid = np.linspace(both.min() - 4 * width, both.max() + 4 * width, GRID)
    densities = [np.exp(-0.5 * ((grid[:, None] - x) / width) ** 2).sum(axis=1) for x in (a, b)]
    densities = [density / density.sum() for density in densities]
    return float(np.minimum(*densities).sum())


def areas(
    features: Mapping[str, Callable[[object], float | None]],
    scores: Sequence[object],
    reference: Sequence[object],
) -> dict[str, float]:
    """The overlapping area of each feature in two sets of scores; 0 if it is not defined in one of them."""
    result = {}
    for name, feature in features.items():
        sets = [[v for s in some if (v := feature(s)) is not None] for some in (scores, reference)]
        result[name] = overlapping_area(*sets) if all(sets) else 0.0
    return result
