"""Resampling in blocks equals resampling at once, keeps what is below the Nyquist frequency and no more."""

import math

import pytest
import torch

from msdae import audio
from msdae.audio.resample import length, resample

RATES = [
    (16000, 44100), (48000, 44100), (44100, 16000), (192000, 44100), (8000, 44100), (1000, 44100),
    (768000, 44100), (44100, 44101), (44101, 44100),
]  # fmt: skip


def tone(frequency: float, rate: int, seconds: float = 2) -> torch.Tensor:
    return torch.sin(2 * torch.pi * frequency * torch.arange(round(seconds * rate)).double() / rate).float()


def changed(waveform: torch.Tensor, old: int, new: int, block: int | None = None) -> torch.Tensor:
    return torch.cat(list(resample(waveform.split(block or len(waveform)), old, new)))


@pytest.mark.parametrize(("old", "new"), RATES)
@pytest.mark.parametrize("block", [1000, 20001])
def test_blocks_equal_the_whole(old, new, block):
    waveform = torch.randn(2 * old + 321, generator=torch.Generator().manual_seed(0))
    assert torch.equal(changed(waveform, old, new, block), changed(waveform, old, new))


@pytest.mark.parametrize(("old", "new"), RATES)
@pytest.mark.parametrize("samples", [0, 1, 2, 3, 5, 1000, 12345])
def test_the_length_is_the_one_that_is_announced(old, new, samples):
    parts = [torch.ones(samples)] if samples else []
    assert len(torch.cat(list(resample(parts, old, new)))) == length(samples, old, new)


@pytest.mark.parametrize(("old", "new"), RATES)
def test_a_tone_below_both_nyquist_frequencies_stays(old, new):
    frequency = 0.4 * min(old, new)
    inner = slice(new // 2, 3 * new // 2)  # the file's ends ring
    result = changed(tone(frequency, old), old, new)[inner]
    torch.testing.assert_close(result, tone(frequency, new)[inner], atol=1e-3, rtol=0)


@pytest.mark.parametrize(("old", "new"), [(48000, 16000), (768000, 44100), (44100, 1000), (48000, 44100)])
def test_what_the_new_rate_cannot_hold_is_rejected(old, new):
    result = changed(tone(0.52 * new, old), old, new)[new // 2 : 3 * new // 2]
    assert 20 * math.log10(result.abs().max()) < -100


def test_equal_rates_change_nothing():
    waveform = torch.randn(100)
    assert torch.equal(changed(waveform, 44100, 44100), waveform)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 44101, 48000, 96000])
@pytest.mark.parametrize("start", [0, 1, 30_000, 61_234])
def test_a_part_of_a_file_is_what_its_whole_has_there(rate, start, tmp_path):
    noise = 0.1 * torch.randn(2 * rate, generator=torch.Generator().manual_seed(0))
    audio.write(tmp_path / "a.wav", noise, rate)
    recording = audio.open_recording(tmp_path / "a.wav")
    whole = torch.nn.functional.pad(audio.read(tmp_path / "a.wav"), (0, 30_000))
    part = recording.part(start, 30_000)
    torch.testing.assert_close(part, whole[start : start + 30_000], atol=1e-4, rtol=0)
