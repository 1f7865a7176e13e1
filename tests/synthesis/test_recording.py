import random

import numpy as np
import pytest

from msdae.errors import UserError
from msdae.symbolic.notes import Note
from msdae.synthesis import recording
from msdae.synthesis.effects import process
from msdae.synthesis.recording import CHAIN, RecordingConfig

RATE, SAMPLES = 44100, 2 * 44100
X, Y = [Note(0.5, 1.0, 69, 90)], [Note(0.4, 1.2, 69, 90)]


def _tone(start=0.5, end=1.0):
    time = np.arange(SAMPLES) / RATE
    return (np.sin(2 * np.pi * 440 * time) * ((time > start) & (time < end))).astype(np.float32)


def _power(waveform, start, end):
    return float(np.mean(waveform[round(start * RATE) : round(end * RATE)] ** 2))


def _impulse(effect, seed, config=RecordingConfig()):
    waveform = np.zeros(SAMPLES, np.float32)
    waveform[RATE // 2] = 1
    return effect(waveform, X, random.Random(seed), config)


def test_rooms_begin_with_the_sound_and_die_away_in_their_time():
    config = RecordingConfig(tail_seconds=(1, 1), tail_level=(0.6, 0.6))
    heard = _impulse(recording.place, 3, config)
    assert np.abs(heard[: RATE // 2]).max() < 1e-5 and heard[RATE // 2] == pytest.approx(1, abs=0.05)
    late = 10 * np.log10(_power(heard, 0.6, 0.7) / _power(heard, 1.1, 1.2))
    assert 25 < late < 40  # 60 dB a second
    other = _impulse(recording.place, 4, config)
    assert not np.allclose(heard, other, atol=0.01)


def test_colours_are_smooth_and_differ():
    spectra = []
    for seed in range(4):
        spectrum = np.abs(np.fft.rfft(_impulse(recording.colour, seed)))
        decibels = 20 * np.log10(spectrum[200:40000])
        assert np.abs(np.diff(decibels)).max() < 0.5 < 3 < np.ptp(decibels)
        spectra.append(decibels)
    assert all(np.abs(one - other).max() > 3 for one, other in zip(spectra, spectra[1:], strict=False))


def test_bands_take_away_only():
    for seed in range(6):
        decibels = 20 * np.log10(np.abs(np.fft.rfft(_impulse(recording.band, seed)))[60:])
        assert decibels.max() < 0.1 and decibels.min() < -6


def test_breath_follows_the_sound_and_background_does_not():
    config = RecordingConfig(breath_decibels=(20, 20), background_decibels=(40, 40))
    for effect, between in ((recording.breath, 1e-7), (recording.background, 1.0)):
        added = effect(_tone(), X, random.Random(1), config) - _tone()
        silent, during = _power(added, 1.5, 1.9), _power(added, 0.6, 0.95)
        assert during > 1e-6 and silent <= between * during * 2 and (between < 1) == (silent < 0.1 * during)
    added = recording.breath(_tone(), X, random.Random(1), config) - _tone()
    assert 10 * np.log10(_power(_tone(), 0.6, 0.95) / _power(added, 0.6, 0.95)) == pytest.approx(20, abs=1.5)


def test_noises_differ_from_clip_to_clip_of_a_sound_and_the_rest_does_not():
    silence = np.zeros(SAMPLES, np.float32)
    silence[0] = 1
    for name, effect in CHAIN:
        one, other = (effect(silence, notes, random.Random(1), RecordingConfig()) for notes in (X, Y))
        assert np.allclose(one, other) == (name not in ("background", "riding", "breath")), name


def test_compression_brings_levels_together():
    waveform = _tone(0.2, 0.6) + 0.1 * _tone(1.0, 1.6)
    pressed = recording.compression(waveform, X, random.Random(1), RecordingConfig())
    ratio = lambda w: _power(w, 0.4, 0.6) / _power(w, 1.3, 1.6)  # noqa: E731
    assert ratio(pressed) < 0.5 * ratio(waveform)


def test_codecs_keep_the_time():
    for seed in range(4):
        heard = recording.coded(_tone(), X, random.Random(seed), RecordingConfig())
        assert heard.shape == (SAMPLES,) and _power(heard, 0.0, 0.45) < 1e-3 * _power(heard, 0.55, 0.95)
        assert np.corrcoef(heard, _tone())[0, 1] > 0.95


def test_codecs_of_the_fewest_bits_keep_the_tone():
    """Regression: libsndfile has no MP3 of quality 1."""
    config = RecordingConfig(coded_quality=(1, 1))
    for seed in range(4):
        heard = recording.coded(_tone(), X, random.Random(seed), config)
        assert np.corrcoef(heard, _tone())[0, 1] > 0.9


def test_a_tail_of_no_level_is_refused():
    """Regression: its logarithm was a division by zero."""
    with pytest.raises(UserError, match="tail_level: is 0, expected above 0"):
        RecordingConfig(tail_level=(0, 0.5))


def test_every_trace_of_silence_is_finite_and_the_seed_chooses():
    for _, effect in CHAIN:
        assert np.isfinite(
            effect(np.zeros(SAMPLES, np.float32), [], random.Random(0), RecordingConfig())
        ).all()
    takes = [process(_tone(), X, seed, RecordingConfig(), CHAIN) for seed in ("a", "a", "b")]
    assert np.array_equal(takes[0], takes[1]) and not np.allclose(takes[0], takes[2], atol=0.01)
