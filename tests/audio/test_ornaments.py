import numpy as np
import pytest

from msdae.audio.ornaments import ornaments
from msdae.audio.pitch import FRAMES

TIME = np.arange(round(2 * FRAMES)) / FRAMES


@pytest.mark.parametrize(("rate", "extent"), [(4.5, 15), (5.5, 30), (7.0, 50)])
def test_vibrato(rate, extent):
    heard = ornaments(6000 + extent * np.sin(2 * np.pi * rate * TIME) + 40 * TIME)
    inside = heard.vibrato_rate[10:-10]
    assert (inside > 0).mean() > 0.95
    assert np.median(inside) == pytest.approx(rate, abs=0.3)
    assert np.median(heard.vibrato_extent[10:-10]) == pytest.approx(extent, rel=0.15)
    assert not heard.trill_rate.any() and not heard.slide.any()


@pytest.mark.parametrize("interval", [100, 200])
def test_a_trill_is_no_vibrato(interval):
    heard = ornaments(6000 + interval * (TIME * 8 % 1 > 0.5))
    assert np.median(heard.trill_rate[10:-10]) == pytest.approx(8, abs=0.3)
    assert np.median(heard.trill_interval[10:-10]) == pytest.approx(interval, rel=0.3)
    assert not heard.vibrato_rate.any()


@pytest.mark.parametrize("semitones", [-3, 2])
def test_a_slide_has_its_sign(semitones):
    slide = np.interp(TIME, [0.9, 1.1], [0, 100 * semitones])
    heard = ornaments(6000 + slide).slide
    middle = (TIME > 0.95) & (TIME < 1.05)
    assert np.median(heard[middle]) == pytest.approx(semitones / 0.2, rel=0.2)
    assert not heard[(TIME < 0.8) | (TIME > 1.2)].any()


def test_what_is_no_ornament():
    steps = 6000 + 200 * np.floor(TIME * 4)  # four tones a second
    noise = 6000 + 3 * np.random.default_rng(0).standard_normal(len(TIME))
    gaps = np.where(TIME % 0.5 < 0.1, np.nan, 6000.0)
    for cents in (steps, noise, gaps, np.full(len(TIME), np.nan), np.full(3, 6000.0), np.zeros(0)):
        heard = ornaments(cents)
        assert all(len(row) == len(cents) and not row.any() for row in heard)


@pytest.mark.parametrize("frames", [1, 7, 125, 400])
def test_features_at_any_rate(frames):
    heard = ornaments(np.where(TIME < 1, 6000.0, 6000 + 30 * np.sin(2 * np.pi * 6 * TIME)))
    features = heard.features(frames)
    assert features.shape == (4, frames) and features.dtype == np.float32
    assert np.isfinite(features).all()
    if frames > 1:
        assert features[0, : frames // 3].max() == 0 and features[0, -frames // 3].max() > 0.7
    assert not ornaments(np.zeros(0)).features(frames).any()
