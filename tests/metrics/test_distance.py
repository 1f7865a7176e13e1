import math
import warnings

import pytest
import torch

from msdae.errors import UserError
from msdae.metrics.distance import FFT_SIZES, FLOOR_DB, _decibel, _filters, log_mel_distance

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
