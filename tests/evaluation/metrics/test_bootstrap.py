import numpy as np
import pytest

from msdae.evaluation.metrics.bootstrap import interval, interval_of


def test_interval_of_a_share_is_the_binomial_one():
    right = np.array([1.0] * 60 + [0.0] * 40)
    low, high = interval(right, [str(i) for i in range(100)], draws=4000)
    assert (low, high) == pytest.approx((0.6 - 1.96 * 0.049, 0.6 + 1.96 * 0.049), abs=0.015)
    wide = interval(np.repeat(right, 4), np.repeat(np.arange(100), 4).astype(str), draws=4000)
    assert wide == pytest.approx((low, high), abs=0.015)  # four copies of a clip tell nothing new


def test_one_group_has_no_interval():
    assert interval(np.array([0.2, 0.9]), ["a", "a"]) == (None, None)
    assert interval(np.array([0.9]), ["a"]) == (None, None)


def test_draws_without_a_figure_are_left_out():
    values = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 1.0]])

    def where_known(means):
        return np.where(means[:, 1] > 0, means[:, 0], np.nan)

    assert interval_of(where_known, values, list("abc")) == (1, 1)
    assert interval_of(where_known, values[:, [0, 0]] * 0, list("abc")) == (None, None)


def test_interval_of_a_ratio_is_paired():
    rng = np.random.default_rng(0)
    below = rng.uniform(1, 2, 40)
    values = np.stack([3 * below, below], axis=1)
    groups = [str(i % 10) for i in range(40)]
    low, high = interval_of(lambda means: means[:, 0] / means[:, 1], values, groups)
    np.testing.assert_allclose([low, high], 3)
    assert interval_of(lambda means: means[:, 1], values, groups) == pytest.approx(interval(below, groups))
