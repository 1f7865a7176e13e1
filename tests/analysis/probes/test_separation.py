from dataclasses import replace

import numpy as np
import pytest

from msdae.analysis.probes.separation import gaps, separation


def test_factors_that_are_each_in_one_level_are_separated(results):
    found = separation(results(onset=(1, 0, 0), pitch=(0, 0, 1), melody=(0, 1, 0)))[0]
    assert found.mig == 1 and 0.85 < found.low <= found.high <= 1
    assert [factor.holder for factor in found.factors] == [1, 3, 2]
    assert found.random_mig == 0


def test_factors_that_every_level_tells_are_not(results):
    found = separation(results(onset=(0.9, 0.9, 0.9), pitch=(1, 1, 1), melody=(0, 0, 0)))[0]
    assert found.mig == pytest.approx(0)


def test_a_half_told_factor_counts_half_and_the_interval_holds_the_gap(results):
    found = separation(results(onset=(0.8, 0.3, 0.2), pitch=(0.0, 0.1, 0.4)))[0]
    assert found.mig == pytest.approx((0.5 + 0.3) / 2)
    for one in (found, *found.factors):
        gap = one.mig if one is found else one.gap
        assert 0 < one.low < gap < one.high < 1
    assert found.factors[1].trained_into == 3 and found.factors[1].explained == (0.0, 0.1, 0.4)


def test_a_draw_without_clips_of_a_factor_says_nothing_of_it(results):
    """Regression: of a factor of few pieces one draw in eight had none, and its gap was taken for 0."""
    few = [
        replace(result, losses=result.losses[:4], groups=result.groups[:4])
        if result.task == "onset"
        else result
        for result in results(onset=(1, 0, 0), pitch=(0, 0, 1))
    ]
    found = separation(few)[0]
    assert found.mig == 1 and found.low > 0.6


def test_a_level_worse_than_guessing_is_no_better_than_none():
    assert gaps(np.array([[0.5], [-2.0], [-3.0]])) == pytest.approx(0.5)
    assert gaps(np.array([[0.5]])) == pytest.approx(0.5)  # a model of one level
