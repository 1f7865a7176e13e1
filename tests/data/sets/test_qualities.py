import math

import torch

from msdae.data.sets.qualities import QUALITIES, qualities

RATE = 16000
TIME = torch.arange(4 * RATE) / RATE


def _named(waveform, name="Flute"):
    present = qualities(waveform, RATE, 69, 3.0, name)
    return {quality for quality, there in zip(QUALITIES, present, strict=True) if there}


def test_a_steady_sine_is_dark_and_does_not_decay():
    assert _named(torch.sin(2 * math.pi * 440 * TIME) * (TIME < 3)) == {"dark"}


def test_a_pluck_decays_and_is_percussive():
    found = _named(torch.sin(2 * math.pi * 440 * TIME) * torch.exp(-5 * TIME))
    assert {"fast_decay", "percussive"} <= found


def test_a_note_that_rings_on_has_a_long_release():
    assert "long_release" in _named(torch.sin(2 * math.pi * 440 * TIME))


def test_noise_is_bright_and_a_distorted_guitar_distorted():
    noise = torch.randn(4 * RATE, generator=torch.Generator().manual_seed(0))
    assert {"bright", "distortion"} <= _named(noise, "Distortion Guitar")
