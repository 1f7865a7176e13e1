import numpy as np
import pytest
from scipy.stats import norm

from msdae.errors import UserError
from msdae.evaluation.metrics.kernel import SCALE, kad, squared_mmd

RNG = np.random.default_rng(0)


def by_loops(x, y, bandwidth):
    """Gretton et al. 2012, eq. 3, pair by pair."""

    def kernel(a, b):
        return np.exp(-((a - b) ** 2).sum() / (2 * bandwidth**2))

    def within(z):
        n = len(z)
        return sum(kernel(z[i], z[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))

    return within(x) + within(y) - 2 * np.mean([kernel(a, b) for a in x for b in y])


def test_equals_the_double_loop():
    x, y = RNG.normal(size=(21, 5)), RNG.normal(size=(14, 5)) + 0.7
    assert squared_mmd(x, y, 1.7) == pytest.approx(by_loops(x, y, 1.7), rel=1e-12)
    distances = [np.linalg.norm(a - b) for i, a in enumerate(x) for b in x[:i]]
    with pytest.warns(UserWarning, match="14 clips, fewer than 50"):
        assert kad(x, y) == pytest.approx(SCALE * by_loops(x, y, np.median(distances)), rel=1e-12)


def test_tends_to_the_closed_form_of_gaussians():
    """x ~ N(0, 1), y ~ N(m, 1), kernel of width b: E k = b / s exp(-m^2 / 2 s^2) with s^2 = b^2 + 2."""
    shift, bandwidth = 1.5, 1.0
    s = np.sqrt(bandwidth**2 + 2)
    expected = 2 * bandwidth / s * (1 - np.exp(-(shift**2) / (2 * s**2)))
    x = norm.ppf((np.arange(2000) + 0.5) / 2000)[:, None]
    assert squared_mmd(x, x + shift, bandwidth) == pytest.approx(expected, abs=2e-3)


def test_is_unbiased_where_fad_is_not():
    """Small sets of one distribution: the mean is 0 within its error, and `kad` clips each at 0."""
    sets = RNG.normal(size=(200, 2, 20, 8))
    values = [squared_mmd(x, y, 3.0) for x, y in sets]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0


@pytest.mark.filterwarnings("ignore:.*clips, fewer than")
def test_degenerate_sets():
    x = RNG.normal(size=(60, 4))
    assert kad(x, x) == 0.0
    far = kad(x, x + 1e6)  # nothing between the sets is alike: twice what is within one
    assert far == pytest.approx(kad(x, x + 1e9)) and 0 < far < 2 * SCALE
    assert kad(np.ones((9, 3)), np.ones((7, 3))) == 0.0  # bandwidth 0
    assert kad(np.ones((9, 3)), np.zeros((7, 3))) == pytest.approx(2 * SCALE)
    with pytest.raises(UserError, match="two clips"):
        kad(x[:1], x)
    with pytest.raises(UserError, match="NaN"):
        kad(x, x * np.inf)
