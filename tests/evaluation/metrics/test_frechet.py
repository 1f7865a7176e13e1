import warnings

import numpy as np
import pytest
import scipy.linalg

from msdae.errors import UserError
from msdae.evaluation.metrics.frechet import fad, fad_infinity

RNG = np.random.default_rng(0)
MIXING = RNG.normal(size=(6, 6))
REFERENCE, ESTIMATE = RNG.normal(size=(400, 6)), RNG.normal(size=(300, 6)) @ MIXING + 0.5


def by_sqrtm(x, y):
    """The textbook formula with scipy's matrix square root."""
    mean = np.square(x.mean(axis=0) - y.mean(axis=0)).sum()
    s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    return mean + np.trace(s1 + s2 - 2 * scipy.linalg.sqrtm(s1 @ s2).real)


def test_equals_the_matrix_square_root():
    assert fad(REFERENCE, ESTIMATE) == pytest.approx(by_sqrtm(REFERENCE, ESTIMATE), rel=1e-9)
    assert fad(REFERENCE, ESTIMATE) == pytest.approx(fad(ESTIMATE, REFERENCE))


def test_equals_the_closed_form_of_axis_aligned_gaussians():
    """Diagonal covariances: the sum over axes of (m1 - m2)^2 + (s1 - s2)^2."""
    points = RNG.normal(size=(500, 3))
    whitened = points - points.mean(axis=0)
    whitened = whitened @ np.linalg.inv(np.linalg.cholesky(np.cov(whitened, rowvar=False))).T
    one, other = np.array([1.0, 2.0, 0.5]), np.array([3.0, 0.1, 0.5])
    expected = (1**2 + 2**2 + 0) + np.square(one - other).sum()
    assert fad(whitened * one, whitened[::-1] * other + [1, 2, 0]) == pytest.approx(expected)


def test_singular_covariances_are_exact():
    """Fewer clips than dimensions, a constant dimension, equal rows: embedding in more dimensions is free."""
    wide = np.linalg.qr(RNG.normal(size=(400, 6)))[0].T
    with pytest.warns(UserWarning, match="300 clips, fewer than 401"):
        found = fad(REFERENCE @ wide, ESTIMATE @ wide)
    assert found == pytest.approx(fad(REFERENCE, ESTIMATE), rel=1e-9)
    constant = np.column_stack([REFERENCE, np.full(400, 7.0)])
    assert fad(constant, np.column_stack([ESTIMATE, np.full(300, 9.0)])) == pytest.approx(
        fad(REFERENCE, ESTIMATE) + 4
    )


@pytest.mark.filterwarnings("ignore:.*clips, fewer than")
def test_degenerate_sets():
    few = RNG.normal(size=(5, 512)) * 1e4
    assert 0 <= fad(few, few) < 1e-4 * np.square(few).mean()
    assert fad(few[:1], few[1:2]) == pytest.approx(np.square(few[0] - few[1]).sum())
    assert fad(np.ones((20, 3)), np.ones((30, 3))) == 0.0
    assert fad(np.ones((20, 3)), np.zeros((30, 3))) == pytest.approx(3.0)
    for scale in (1e-9, 1e9):
        assert fad(scale * REFERENCE, scale * REFERENCE) >= 0


def test_enough_clips_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fad(REFERENCE, ESTIMATE)
        fad_infinity(REFERENCE, ESTIMATE)


def test_fad_infinity_takes_the_bias_of_few_clips_out():
    """Of one Gaussian the FAD is 0; that of 100 clips is far from it."""
    reference, dim = RNG.normal(size=(20_000, 16)), 16
    found = [
        (fad(reference, clips), fad_infinity(reference, clips, seed))
        for seed, clips in enumerate(RNG.normal(size=(8, 100, dim)))
    ]
    biased, extrapolated = np.mean(found, axis=0)
    assert biased > 0.2
    assert extrapolated < biased / 4
    shifted = fad_infinity(reference, RNG.normal(size=(100, dim)) + 1.0)
    assert shifted == pytest.approx(16, rel=0.15)


def test_fad_infinity_of_pairs_draws_pairs():
    """x and 1.5 x: the FAD of infinitely many is 16 (1.5 - 1)^2."""
    sets = RNG.normal(size=(8, 60, 16))
    apart = [fad_infinity(x, 1.5 * x, seed) for seed, x in enumerate(sets)]
    paired = [fad_infinity(x, 1.5 * x, seed, paired=True) for seed, x in enumerate(sets)]
    assert np.mean(paired) == pytest.approx(4, rel=0.1)
    assert np.mean(apart) < 0.8 * np.mean(paired)
    with pytest.raises(UserError, match="of one size"):
        fad_infinity(sets[0], sets[1, 1:], paired=True)


def test_fad_infinity_repeats_with_its_seed_and_is_never_negative():
    assert fad_infinity(REFERENCE, ESTIMATE, 3) == fad_infinity(REFERENCE, ESTIMATE, 3)
    assert fad_infinity(REFERENCE, ESTIMATE, 3) != fad_infinity(REFERENCE, ESTIMATE, 4)
    assert fad_infinity(REFERENCE, REFERENCE) == 0.0


@pytest.mark.parametrize(
    ("reference", "estimate", "message"),
    [
        (np.zeros((0, 3)), np.zeros((4, 3)), "one dim"),
        (np.zeros((4, 3)), np.zeros((4, 2)), "one dim"),
        (np.zeros((4, 3)), np.full((4, 3), np.nan), "NaN"),
    ],
)
def test_other_sets_are_refused(reference, estimate, message):
    for metric in (fad, fad_infinity):
        with pytest.raises(UserError, match=message):
            metric(reference, estimate)
