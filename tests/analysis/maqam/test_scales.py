import numpy as np
import pytest

from msdae.analysis.maqam import scales
from msdae.symbolic.maqam import MAQAMAT


def line(maqam, tonic, seed=0):
    """(frames,) cents: degrees at random, tonic and ghammaz often, the tonic at the end."""
    scale, rng = MAQAMAT[maqam], np.random.default_rng(seed)
    weights = np.ones(7)
    weights[[0, scale.ghammaz]] = 2
    degrees = rng.choice(scale.degrees, 200, p=weights / weights.sum())
    degrees = np.append(degrees, [0] * 10) + rng.normal(0, 8, 210) + 1200 * rng.integers(0, 2, 210)
    return tonic + np.repeat(degrees, 10)


@pytest.mark.parametrize("maqam", MAQAMAT)
@pytest.mark.parametrize("tonic", [4800.0, 5037.0, 5575.0])
def test_scale_and_tonic(maqam, tonic):
    cents = line(maqam, tonic)
    fits = scales.fits(scales.histogram(cents))
    assert fits[0].maqam == maqam and fits[0].inside > 0.95
    assert len({fit.maqam for fit in fits}) == 8
    assert scales.distance(scales.refined(fits[0].tonic, cents), tonic) < 8
    assert scales.octave(fits[0].tonic, cents) - tonic == pytest.approx(0, abs=1215)


def test_histogram_of_octaves():
    counts = scales.histogram(np.array([6000.0, 7200.0, 7204.0, 6350.0]), np.array([1.0, 1, 1, 3]))
    assert counts.sum() == pytest.approx(1) and counts[0] == counts[35] == pytest.approx(0.5)


def test_steady_pitches():
    cents = np.concatenate(
        [np.full(20, 6000.0), np.linspace(6000, 6400, 20), np.full(20, 6400.0), [np.nan] * 5]
    )
    kept = scales.steady(cents)
    assert set(np.round(kept[:15])) == {6000} and len(kept) < 45 and np.isfinite(kept).all()
    assert len(scales.steady(np.array([np.nan]))) == 0


@pytest.mark.parametrize(("a", "b", "cents"), [(0, 1190, 10), (100, 700, 600), (6010, 4795, 15), (50, 50, 0)])
def test_distance_of_pitch_classes(a, b, cents):
    assert scales.distance(a, b) == cents
