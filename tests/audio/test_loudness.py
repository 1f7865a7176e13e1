"""Loudness measured in blocks is pyloudnorm's of the whole."""

import math

import numpy as np
import pyloudnorm
import pytest
import torch

from msdae.audio.loudness import Loudness, matching_gain

RATE = 44100


def measured(waveform: torch.Tensor, block: int = 7777) -> Loudness:
    loudness = Loudness(RATE)
    for part in waveform.split(block):
        loudness.add(part)
    return loudness


@pytest.mark.parametrize("samples", [17640, 19000, 20000, 5 * RATE + 1234, 60 * RATE])
def test_integrated_loudness_is_pyloudnorms(samples):
    swell = torch.linspace(1e-3, 0.5, samples) ** 2
    noise = torch.randn(samples, generator=torch.Generator().manual_seed(0)) * swell
    expected = pyloudnorm.Meter(RATE).integrated_loudness(noise.double().numpy())
    assert measured(noise).integrated() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("rate", [8000, 16000, 48000, 192000])
def test_other_rates_and_blocks(rate):
    noise = 0.1 * torch.randn(3 * rate, generator=torch.Generator().manual_seed(0))
    expected = pyloudnorm.Meter(rate).integrated_loudness(noise.double().numpy())
    for size in (rate // 80, 4097, 10**6):
        loudness = Loudness(rate)
        for part in noise.split(size):
            loudness.add(part)
        assert loudness.integrated() == pytest.approx(expected, abs=1e-6)


def test_peak_and_level():
    loudness = measured(torch.tensor([0.0, -0.5, 0.5, 0.0]).repeat(1000))
    assert loudness.peak == 0.5
    assert loudness.level() == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)))


@pytest.mark.parametrize("block", [700, 7777, 10**6])
def test_a_few_loud_steps_are_not_the_usual_peak(block):
    sound = torch.full((10 * RATE,), 0.2)
    sound[RATE], sound[5 * RATE :] = 3.0, 1e-3
    assert measured(sound, block).usual_peak() == pytest.approx(0.2)
    assert measured(sound[: RATE // 20], block).usual_peak() == pytest.approx(0.2)
    assert measured(torch.zeros(RATE)).usual_peak() == 0


def test_silence_and_short_sounds_have_no_integrated_loudness():
    assert measured(torch.zeros(RATE)).integrated() == -math.inf
    assert measured(torch.ones(17639)).integrated() == -math.inf


@pytest.mark.parametrize("samples", [100, RATE])
def test_gain_matches_short_and_long_sounds(samples):
    noise = torch.randn(samples, generator=torch.Generator().manual_seed(0)) * 0.1
    assert matching_gain(measured(noise), measured(0.5 * noise)) == pytest.approx(0.5, rel=1e-4)


def test_gain_for_silence():
    noise = 0.1 * torch.randn(RATE, generator=torch.Generator().manual_seed(0))
    for offset in (1.0, 0.123):
        assert matching_gain(measured(torch.full((RATE,), offset)), measured(noise)) == 1.0
    assert matching_gain(measured(torch.zeros(RATE)), measured(noise)) == 1.0
    assert matching_gain(measured(noise), measured(torch.zeros(RATE))) == 0.0
    assert np.isfinite(matching_gain(measured(torch.zeros(RATE)), measured(torch.zeros(RATE))))


def test_an_offset_is_no_level():
    tone = 0.1 * torch.sin(torch.arange(8820) / 10)
    plain, offset = Loudness(RATE), Loudness(RATE)
    plain.add(tone)
    offset.add(tone + 0.2)
    assert offset.level() == pytest.approx(plain.level(), abs=0.01)
