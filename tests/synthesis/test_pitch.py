import sys

import numpy as np
import pytest

from msdae.audio import temperament
from msdae.synthesis import pitch

RATE = 44100


def _tone(hertz, partials, seconds=1.0):
    time = np.arange(round(seconds * RATE)) / RATE
    tone = sum(level * np.sin(2 * np.pi * k * hertz * time) for k, level in enumerate(partials, 1))
    return (tone * np.minimum(1, time / 0.02) * np.exp(-time)).astype(np.float32)


@pytest.mark.parametrize("key", [28, 45, 60, 79, 96])
def test_tuning_is_measured_over_the_range(key):
    tone = _tone(temperament.hertz(key + 0.3), [1, 0.5, 0.3])
    assert pitch.measure(tone, RATE, key) == pytest.approx(key + 0.3, abs=0.1)


def test_a_name_that_lies_by_an_octave_is_corrected():
    assert pitch.measure(_tone(220, [1, 0.6, 0.5, 0.3]), RATE, 69) == pytest.approx(57, abs=0.1)
    assert pitch.measure(_tone(440, [1, 0.6]), RATE, 57) == pytest.approx(69, abs=0.1)


def test_a_name_is_kept_where_the_sound_has_weak_odd_partials_or_no_pitch():
    assert pitch.measure(_tone(220, [0.1, 1, 0.05, 0.5]), RATE, 57) == pytest.approx(57, abs=0.2)
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    assert pitch.measure(noise, RATE, 57) == 57
    assert pitch.measure(noise, RATE) is None


def test_a_pitch_is_found_without_a_name_and_of_short_sounds():
    assert pitch.measure(_tone(330, [1, 0.6, 0.4]), RATE) == pytest.approx(64, abs=0.1)
    assert pitch.measure(_tone(330, [1, 0.6, 0.4], 0.2), RATE, 64) == pytest.approx(64, abs=0.1)
    assert pitch.measure(np.zeros(10, np.float32), RATE, 64) == 64


def test_without_librosa_names_are_believed(monkeypatch):
    monkeypatch.setitem(sys.modules, "librosa", None)
    pitch.load_librosa.cache_clear()
    assert pitch.measure(_tone(220, [1, 0.6]), RATE, 69) == 69
    pitch.load_librosa.cache_clear()
