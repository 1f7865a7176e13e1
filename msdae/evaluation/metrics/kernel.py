"""Kernel audio distance between two sets of embeddings."""

import numpy as np
from scipy.spatial.distance import cdist, pdist

from msdae import limits
from msdae.errors import UserError
from msdae.evaluation.metrics.frechet import checked, warn_if_few

SCALE = 100.0  # that of the authors' toolkit kadtk, which makes values easy to read
ENOUGH = 50  # clips; fewer warn


def kad(reference: np.ndarray, estimate: np.ndarray, paired: bool = False) -> float:
    """100 times the squared maximum mean discrepancy, `squared_mmd`; not symmetric.

    The bandwidth is the median distance within `reference`. The estimate is unbiased, so it may be negative
    if the sets hardly differ; 0 is returned then. Fewer than `ENOUGH` clips warn.

    reference, estimate: (clips, dim), at least two clips each.
    paired: row i of both sets belongs to one item, such as a recording and its round trip through a codec.

    Source: Chung et al. 2025, "KAD: No More FAD!", with the scale and kernel of its toolkit kadtk.

    Raises:
        UserError: a set of fewer than two clips, of another dimension or with values that are not finite;
            paired sets of different size.
    """
    reference, estimate = checked(reference, estimate, paired)
    if min(len(reference), len(estimate)) < 2:
        raise UserError(f"KAD needs two clips or more a set, got {len(reference)} and {len(estimate)}")
    points = len(reference) + len(estimate)
    limits.require_memory(16 * points**2, f"KAD of {points} clips", "give fewer")
    warn_if_few(reference, estimate, ENOUGH, "KAD is uncertain")
    return max(0.0, SCALE * squared_mmd(reference, estimate, float(np.median(pdist(reference))), paired))


def squared_mmd(x: np.ndarray, y: np.ndarray, bandwidth: float, paired: bool = False) -> float:
    """Unbiased estimate of the squared maximum mean discrepancy (Gretton et al. 2012, eq. 3).

    x, y: (clips, dim). The kernel is exp(-|a - b|^2 / (2 bandwidth^2)); at bandwidth 0 it is 1 for equal
    points and 0 for others.
    paired: x_i and y_i are not independent, so they are not compared with each other (eq. 4). Otherwise they
        would count as evidence that both distributions are the same.
    """
    width = max(bandwidth, np.finfo(float).tiny ** 0.25)

    def kernel(distances: np.ndarray) -> np.ndarray:
        return np.exp(-np.square(distances / width) / 2)

    # pdist has each pair once, and no pair of a point with itself.
    within = kernel(pdist(x)).mean() + kernel(pdist(y)).mean()
    across = kernel(cdist(x, y))
    if paired:
        across = across[~np.eye(len(x), dtype=bool)]
    return float(within - 2 * across.mean())
