import numpy as np
import pytest
from scipy.stats import norm

from msdae import limits
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


def by_pair(a, b, bandwidth=5.0):
    return np.exp(-((a - b) ** 2).sum() / (2 * bandwidth**2))


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


def test_of_pairs_the_diagonal_is_left_out():
    """Gretton et al. 2012, eq. 4. A pair lies close together although the distributions differ."""
    x = RNG.normal(size=(60, 16))
    y = 1.5 * x + 0.05 * RNG.normal(size=x.shape)
    others = np.mean([[by_pair(a, b) for j, b in enumerate(y) if j != i] for i, a in enumerate(x)])
    within = [np.mean([by_pair(z[i], z[j]) for i in range(60) for j in range(60) if i != j]) for z in (x, y)]
    assert squared_mmd(x, y, 5.0, paired=True) == pytest.approx(sum(within) - 2 * others, rel=1e-12)
    with pytest.raises(UserError, match="of one size"):
        kad(x, y[1:], paired=True)


def test_pairs_score_as_two_independent_sets_of_the_same_distributions_do():
    """The defect: counted as if independent, pairs pulled the distance to 0."""
    few, many = RNG.normal(size=(60, 16)), RNG.normal(size=(2, 3000, 16))
    truth = kad(many[0], 1.2 * many[1])
    values = [kad(x, 1.2 * x, paired=True) for x in RNG.normal(size=(40, 60, 16))]
    assert np.mean(values) == pytest.approx(truth, rel=0.1)
    assert kad(few, 1.2 * few) == 0.0 < 0.5 * truth


@pytest.mark.filterwarnings("ignore:.*clips, fewer than")
def test_degenerate_sets():
    x = RNG.normal(size=(60, 4))
    assert kad(x, x) == 0.0 and kad(x, x, paired=True) == pytest.approx(0, abs=1e-9)
    far = kad(x, x + 1e6)  # nothing between the sets is alike: twice what is within one
    assert far == pytest.approx(kad(x, x + 1e9)) and 0 < far < 2 * SCALE
    assert kad(np.ones((9, 3)), np.ones((7, 3))) == 0.0  # bandwidth 0
    assert kad(np.ones((9, 3)), np.zeros((7, 3))) == pytest.approx(2 * SCALE)
    with pytest.raises(UserError, match="two clips"):
        kad(x[:1], x)
    with pytest.raises(UserError, match="NaN"):
        kad(x, x * np.inf)


def test_memory_is_asked_for_before_it_is_taken(monkeypatch):
    monkeypatch.setattr(limits, "available_memory", lambda: 10**6)
    points = np.zeros((1000, 2))
    with pytest.raises(UserError, match="KAD of 2000 clips: needs about 0.1 GB"):
        kad(points, points)
