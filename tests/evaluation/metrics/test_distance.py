import math
import warnings

import numpy as np
import pytest
import torch

from msdae.errors import UserError
from msdae.evaluation.metrics.distance import (
    FFT_SIZES,
    FLOOR_DB,
    _decibel,
    _filters,
    _images,
    log_mel_distance,
    mel_mse,
    mel_ssim,
)

NOISE = 0.1 * torch.randn(44100, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("gain", [2.0, 0.5, 1.1])
def test_a_gain_is_its_decibels(gain):
    expected = abs(20 * math.log10(gain))
    assert log_mel_distance(NOISE, gain * NOISE, 44100) == pytest.approx(expected, abs=1e-3)


def test_equal_waveforms_are_at_zero_and_order_does_not_matter():
    other = torch.roll(NOISE, 5000)
    assert log_mel_distance(NOISE, NOISE, 44100) == 0.0
    assert log_mel_distance(NOISE, other, 44100) == pytest.approx(log_mel_distance(other, NOISE, 44100))
    assert log_mel_distance(NOISE, other, 44100) > 1


def test_it_is_the_mean_of_three_resolutions():
    other = torch.roll(NOISE, 5000)
    apart = [
        float((_decibel(NOISE, size, 44100, -80.0) - _decibel(other, size, 44100, -80.0)).abs().mean())
        for size in (2048, 1024, 512)
    ]
    assert log_mel_distance(NOISE, other, 44100) == pytest.approx(np.mean(apart))


def test_a_full_scale_sine_is_read_at_full_scale():
    """Up to the 6.02 dB of a band that takes the whole main lobe of the Hann window: 1/2 + 1 + 1/2."""
    for size in FFT_SIZES:
        centre = _filters(size, 44100).argmax(dim=0)[size // 32]  # a bin at the peak of a middle band
        phase = 2 * torch.pi * float(centre) / size * torch.arange(44100, dtype=torch.float64)
        level = float(_decibel(torch.sin(phase), size, 44100, FLOOR_DB)[:, 20:-20].max())
        assert -0.1 < level < 6.03


def test_silence_against_silence_and_sound():
    silence = torch.zeros(44100)
    assert log_mel_distance(silence, silence, 44100) == 0.0
    # As far as the sound is above the floor, whatever is below it.
    assert log_mel_distance(silence, 1e-6 * NOISE, 44100) == 0.0
    assert 20 < log_mel_distance(silence, NOISE, 44100) < -FLOOR_DB


def test_every_mel_filter_takes_some_bins():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for size in FFT_SIZES:
            assert (_filters.__wrapped__(size, 44100).sum(dim=0) > 0).all()


def test_other_lengths_are_refused():
    with pytest.raises(UserError, match="one length"):
        log_mel_distance(NOISE, NOISE[1:], 44100)
    with pytest.raises(UserError, match="too few"):
        log_mel_distance(NOISE[:1024], NOISE[:1024], 44100)


def test_mse_of_a_gain_is_its_decibels_squared():
    expected = (20 * math.log10(2)) ** 2
    assert mel_mse(NOISE, 2 * NOISE, 44100) == pytest.approx(expected, rel=1e-3)
    assert mel_mse(NOISE, NOISE, 44100) == 0.0
    other = torch.roll(NOISE, 5000)
    assert mel_mse(NOISE, other, 44100) == pytest.approx(mel_mse(other, NOISE, 44100))


def test_ssim_is_the_mean_of_windows_one_by_one():
    """Wang et al. 2004, eq. 13, for each place of an 11 x 11 Gaussian window."""
    other = 0.3 * NOISE + torch.roll(NOISE, 5000)
    x, y = _images(NOISE[:12_000], other[:12_000], 44100)
    window = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    weights = np.outer(window, window) / window.sum() ** 2
    c1, c2 = (0.01 * 80) ** 2, (0.03 * 80) ** 2
    values = []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            a, b = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            ma, mb = (weights * a).sum(), (weights * b).sum()
            va, vb = (weights * (a - ma) ** 2).sum(), (weights * (b - mb) ** 2).sum()
            covariance = (weights * (a - ma) * (b - mb)).sum()
            values.append(
                (2 * ma * mb + c1) * (2 * covariance + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
            )
    assert mel_ssim(NOISE[:12_000], other[:12_000], 44100) == pytest.approx(np.mean(values), abs=1e-6)
    assert 0 < np.mean(values) < 0.9


def test_ssim_of_equal_silent_and_unlike_waveforms():
    silence = torch.zeros(44100)
    assert mel_ssim(NOISE, NOISE, 44100) == pytest.approx(1)
    assert mel_ssim(silence, silence, 44100) == pytest.approx(1)
    assert mel_ssim(NOISE, silence, 44100) < 0.05
    assert mel_ssim(NOISE, torch.roll(NOISE, 9999), 44100) < mel_ssim(NOISE, 0.9 * NOISE, 44100)


def test_images_need_a_window_of_frames():
    with pytest.raises(UserError, match="too few"):
        mel_ssim(NOISE[:2000], NOISE[:2000], 44100)
    with pytest.raises(UserError, match="one length"):
        mel_mse(NOISE, NOISE[1:], 44100)
