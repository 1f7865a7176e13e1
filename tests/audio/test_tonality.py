import pytest
import torch

from msdae.audio import tonality
from msdae.audio.levels import HOP
from msdae.audio.windows import Waveform

RATE = 44100
TIME = torch.arange(4 * RATE) / RATE


def tonal(sound, rate=RATE):
    """Of all hops."""
    return tonality.tonal(Waveform(sound), rate, torch.ones(-(-len(sound) // HOP), dtype=torch.bool))


def noise(tilt, samples=4 * RATE):
    """White (0), pink (.5) or brown (1)."""
    spectrum = torch.fft.rfft(torch.randn(samples, generator=torch.Generator().manual_seed(0)))
    sound = torch.fft.irfft(spectrum / torch.arange(len(spectrum)).clamp_min(20) ** tilt)
    return 0.1 * sound / sound.std()


def note(hertz):
    return sum(0.1 / n * torch.sin(2 * torch.pi * n * hertz * TIME) for n in range(1, 20))


@pytest.mark.parametrize("hertz", [[55.0], [220.0], [1760.0], [131.0, 165.0, 196.0]])
def test_tones_are_heard_over_noise_of_a_hundredth_of_their_power(hertz):
    sound = sum(map(note, hertz))
    sound = sound * 10 ** (-TIME) + 0.1 * sound.std() * 1e-3 * noise(0.5)  # 80 dB of decay
    marks = tonal(sound)
    assert len(marks) == -(-len(sound) // HOP) and marks[: 2 * RATE // HOP].all()


@pytest.mark.parametrize("tilt", [0, 0.5, 1])
@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_noise_has_none(tilt, rate):
    assert not tonal(noise(tilt), rate).any()


def test_silence_has_none():
    assert not tonal(torch.zeros(RATE)).any()


@pytest.mark.parametrize("samples", [1, HOP, HOP + 1, 700_001])
def test_the_marks_are_where_the_tones_are_whatever_the_length(samples):
    sound = torch.cat([noise(0), note(220), noise(0), note(330)])[:samples]
    marks, hops = tonal(sound), torch.arange(-(-samples // HOP)) * HOP
    assert len(marks) == len(hops)
    inner = ((hops % (4 * RATE)) - 2 * RATE).abs() < 1.7 * RATE
    assert torch.equal(marks[inner], (hops // (4 * RATE) % 2 == 1)[inner])


def test_what_is_not_asked_for_is_not_marked():
    sound = note(220)
    asked = torch.arange(-(-len(sound) // HOP)) % 50 < 20
    assert torch.equal(tonality.tonal(Waveform(sound), RATE, asked), asked)
