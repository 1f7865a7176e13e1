"""Steady noise under recordings: taken off where there is some, and nothing else."""

import pytest
import torch

from msdae.audio import denoising
from msdae.audio.denoising import Denoised, noise
from msdae.audio.windows import Waveform
from msdae.inference.pipeline import Pipeline
from msdae.inference.sources import timbre_source

RATE = 44100


def tones(seconds: float, rest: float, decay: float = 0.0) -> torch.Tensor:
    """Notes of .4 s with `rest` seconds between them; they fall by `decay` e-foldings a second."""
    since = torch.arange(int(0.4 * RATE)) / RATE
    fade = (torch.minimum(since, 0.4 - since) / 0.01).clamp(0, 1) * torch.exp(-decay * since)
    pause, notes = torch.zeros(int(rest * RATE)), []
    while sum(map(len, notes)) < seconds * RATE:
        pitch = 220 * 2 ** (len(notes) * 5 % 12 / 12)
        tone = sum(torch.sin(2 * torch.pi * pitch * k * since) / k for k in range(1, 12))
        notes += [0.2 * fade * tone, pause]
    return torch.cat(notes)[: int(seconds * RATE)]


def hiss(samples: int, level: float, tilt: float = 0.0) -> torch.Tensor:
    """Noise of an RMS of `level`; from white (0) to pink (.5)."""
    spectrum = torch.fft.rfft(torch.randn(samples, generator=torch.Generator().manual_seed(1)))
    made = torch.fft.irfft(spectrum / (20.0 + torch.arange(len(spectrum))) ** tilt, samples)
    return level * made / made.square().mean().sqrt()


def cleaned(sound: torch.Tensor) -> torch.Tensor:
    return torch.cat(list(Denoised(Waveform(sound), RATE).blocks()))


@pytest.mark.parametrize(("tilt", "factor"), [(0.0, 25), (0.5, 3)])
@pytest.mark.parametrize("level", [0.01, 0.001, 0.0001])
def test_noise_is_taken_off_and_the_sound_stays(level, tilt, factor):
    """By `factor` at least in a rest; less of pink noise, which is steep within the lowest region."""
    sound = tones(6.0, 0.3)
    noisy = sound + hiss(len(sound), level, tilt)
    made = cleaned(noisy)
    rest = slice(int(0.45 * RATE), int(0.65 * RATE))
    assert made[rest].square().mean() < noisy[rest].square().mean() / factor
    error, before = (made - sound).square().mean(), (noisy - sound).square().mean()
    assert error < before / 2
    found = noise(noisy)[100:2000].mean() / noise(10 * noisy)[100:2000].mean()
    assert found == pytest.approx(0.01, rel=1e-3)


def test_its_power_is_what_it_is():
    sound, steady = tones(6.0, 0.3), hiss(6 * RATE, 0.003)
    found = noise(sound + steady)
    spectrum = torch.stft(steady, denoising.FFT, window=torch.hann_window(denoising.FFT), return_complex=True)
    power = spectrum.abs().square().mean()
    assert found.mean() == pytest.approx(float(power), rel=0.3)


@pytest.mark.parametrize(
    "sound",
    [
        tones(6.0, 0.3),
        tones(6.0, 0.3, decay=8.0),
        tones(6.0, 0.0) + hiss(6 * RATE, 0.001),  # no pauses: it may be of the sound
        hiss(6 * RATE, 0.1),  # it is the sound
        torch.zeros(3 * RATE),
        torch.full((3 * RATE,), 0.3),
        tones(0.9, 0.3) + hiss(int(0.9 * RATE), 0.001),
        torch.ones(1),
    ],
)
def test_other_sounds_stay_as_they_are(sound):
    assert torch.equal(cleaned(sound), sound)


def test_parts_are_the_whole(monkeypatch):
    sound = tones(8.0, 0.3) + hiss(8 * RATE, 0.002)
    whole = cleaned(sound)
    monkeypatch.setattr(denoising, "SIZE", 32 * denoising.HOP)
    torch.testing.assert_close(cleaned(sound), whole, atol=1e-6, rtol=1e-5)
    assert len(whole) == len(sound)


def test_the_sound_of_a_noisy_recording_is_nearer_to_that_of_a_clean_one(melody):
    pipeline = Pipeline.from_pretrained()
    sound = torch.cat([melody(3.0)[0], torch.zeros(RATE // 2), melody(3.0, seed=1)[0]])
    noisy = sound + hiss(len(sound), 0.01 * float(sound.square().mean().sqrt()), 0.5)
    clean, made, before = (
        pipeline.encode(source, levels=(1,))[1] for source in (sound, timbre_source(noisy, RATE), noisy)
    )
    assert (made - clean).norm() < (before - clean).norm() / 2
