import numpy as np
import pytest

from msdae.evaluation.composers.overlap import areas, overlapping_area


def test_equal_sets_overlap_and_distant_ones_do_not():
    values = np.random.default_rng(0).normal(size=200)
    assert overlapping_area(values, values) == pytest.approx(1)
    assert overlapping_area(values, values + 100) < 0.01
    assert 0.5 < overlapping_area(values, values + 0.5) < 0.95
    assert overlapping_area([3, 3], [3, 3, 3]) == 1


def test_a_feature_that_says_nothing_has_no_area():
    known = {"size": float, "never": lambda score: None}
    assert areas(known, [1, 2, 3], [1, 2, 3]) == {"size": pytest.approx(1), "never": 0.0}
