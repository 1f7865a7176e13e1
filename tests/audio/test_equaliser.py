"""The equaliser moves the envelope and nothing else."""

import pytest
import torch

from msdae.audio import equaliser


def noise(tilt, seed, samples=88200):
    """Noise whose spectrum falls or rises by `tilt` dB an octave about 1 kHz."""
    spectrum = torch.fft.rfft(torch.randn(samples, generator=torch.Generator().manual_seed(seed)))
    frequency = torch.fft.rfftfreq(samples, 1 / 44100).clamp(min=50)
    sound = torch.fft.irfft(spectrum * 10 ** (tilt * (frequency / 1000).log2() / 20), samples)
    return 0.5 * sound / sound.abs().max()


def distance(one, other):
    first, second = (equaliser._envelope(sound) for sound in (one, other))
    return float((first - second).square().mean().sqrt())


def test_the_envelope_becomes_that_of_the_timbre_source():
    dark, bright = noise(-4, 0), noise(0, 1)
    made = equaliser.swap(bright, dark)
    assert made.shape == dark.shape
    assert distance(dark, bright) > 6 > 1 > distance(made, bright)


def test_by_its_own_envelope_nothing_changes():
    sound = noise(-3, 0)
    torch.testing.assert_close(
        equaliser.swap(sound, sound)[2048:-2048], sound[2048:-2048], atol=1e-4, rtol=1e-3
    )


@pytest.mark.parametrize("samples", [1, 882, 1025])
def test_sounds_may_be_short(samples):
    """Regression: a melody source of less than half a frame ended in an error of torch."""
    made = equaliser.swap(noise(0, 1), noise(-4, 0)[:samples])
    assert made.shape == (samples,) and made.isfinite().all() and made.abs().max() > 0


def test_tones_stay_where_they_are():
    time = torch.arange(88200) / 44100
    tones = sum(torch.sin(2 * torch.pi * 440 * k * time) / k for k in range(1, 9))
    made = torch.fft.rfft(equaliser.swap(noise(-2, 2), tones)).abs()
    assert made[:1320].argmax() == 880 and made[1320:2200].argmax() == 1760 - 1320


@pytest.mark.parametrize("timbre", [torch.zeros(5000), torch.ones(1)])
def test_sources_that_say_nothing(timbre):
    assert equaliser.swap(timbre, noise(0, 0)).isfinite().all()
    assert not equaliser.swap(noise(0, 0), torch.zeros(5000)).any()
