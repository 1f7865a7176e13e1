"""Fréchet audio distance between two sets of embeddings."""

import warnings

import numpy as np

from msdae.errors import UserError

SIZES = 16  # number of subset sizes for FAD-infinity, from half of the set to all of it
DRAWS = 8  # subsets of each size


def fad(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Fréchet distance of the Gaussians fitted to two sets, |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)).

    The trace of the root is the sum of the singular values of A1 A2^T, where S = A^T A: no matrix is
    squared or inverted, so the result is real, at least 0 and exact for singular covariances too.
    It is biased upwards for few clips. It warns if a set has no more clips than dimensions.

    reference, estimate: (clips, dim). The covariance of a single clip is 0.

    Source: Kilgour et al. 2019, "Fréchet Audio Distance".

    Raises:
        UserError: an empty set, sets of different dimension, or values that are not finite.
    """
    reference, estimate = checked(reference, estimate)
    warn_if_few(reference, estimate, reference.shape[1] + 1, "FAD is biased upwards")
    return _distance(*_gaussian(reference), *_gaussian(estimate))


def fad_infinity(reference: np.ndarray, estimate: np.ndarray, seed: int = 0, paired: bool = False) -> float:
    """FAD extrapolated to infinitely many clips in `estimate`.

    A line is fitted to the FADs of subsets over 1 / (number of clips); its value at 0 is returned, or 0 if it
    is negative. `DRAWS` subsets of each of `SIZES` sizes, from half of `estimate` to all of it, are drawn
    without replacement; with it, they would tend to the FAD of the finite set. The bias that comes from the
    size of the reference set stays.

    reference, estimate: (clips, dim).
    paired: row i of both sets belongs to one item. A subset then takes the same items from both sets: in the
        whole sets, sampling errors of equal items are alike and cancel. If only `estimate` were drawn from,
        they would not cancel in the subsets, and the line would be too steep and end too low.

    Source: Gui et al. 2024, "Adapting Fréchet Audio Distance for Generative Music Evaluation", section 3.2.

    Raises:
        UserError: as `fad`, fewer than four clips in `estimate`, or paired sets of different size.
    """
    reference, estimate = checked(reference, estimate, paired)
    clips, dim = estimate.shape
    if clips < 4:
        raise UserError(f"FAD-infinity needs four clips or more, got {clips}")
    warn_if_few(reference, estimate, 2 * (dim + 1), "FAD-infinity extrapolates from singular covariances")
    rng = np.random.default_rng(seed)
    target = _gaussian(reference)
    sizes = np.linspace(clips / 2, clips, SIZES).round().astype(int).repeat(DRAWS)
    values = []
    for size in sizes:
        rows = rng.choice(clips, size, replace=False)
        values.append(
            _distance(*(_gaussian(reference[rows]) if paired else target), *_gaussian(estimate[rows]))
        )
    return max(0.0, float(np.polyfit(1 / sizes, values, 1)[1]))


def checked(
    reference: np.ndarray, estimate: np.ndarray, paired: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Both sets as float64.

    Raises:
        UserError: as `fad`, or paired sets of different size.
    """
    sets = np.asarray(reference, np.float64), np.asarray(estimate, np.float64)
    shapes = " and ".join(str(points.shape) for points in sets)
    if any(points.ndim != 2 or not len(points) for points in sets) or sets[0].shape[1] != sets[1].shape[1]:
        raise UserError(f"sets of embeddings have to be (clips, dim) with one dim, got {shapes}")
    if not all(np.isfinite(points).all() for points in sets):
        raise UserError("an embedding has NaN or infinite values; look for broken recordings")
    if paired and len(sets[0]) != len(sets[1]):
        raise UserError(f"paired sets have to be of one size, got {shapes}")
    return sets


def warn_if_few(reference: np.ndarray, estimate: np.ndarray, enough: int, consequence: str) -> None:
    """Warn of `consequence` if one of the sets has fewer than `enough` clips."""
    fewest = min(len(reference), len(estimate))
    if fewest < enough:
        warnings.warn(f"{fewest} clips, fewer than {enough}: {consequence}", stacklevel=3)


def _gaussian(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean (dim,), and a root A (at most dim, dim) of the covariance A^T A."""
    mean = points.mean(axis=0)
    return mean, np.linalg.qr((points - mean) / np.sqrt(max(1, len(points) - 1)), mode="r")


def _distance(mean1: np.ndarray, root1: np.ndarray, mean2: np.ndarray, root2: np.ndarray) -> float:
    overlap = np.linalg.svd(root1 @ root2.T, compute_uv=False).sum()
    spread = np.square(root1).sum() + np.square(root2).sum()
    return max(0.0, float(np.square(mean1 - mean2).sum() + spread - 2 * overlap))
