"""What can be heard of a source."""

import pytest
import torch

from msdae.audio.levels import Levelled
from msdae.audio.windows import Waveform
from msdae.inference import audible

RATE = 44100


@pytest.fixture(scope="module")
def note():
    time = torch.arange(3 * RATE) / RATE
    return sum(torch.sin(2 * torch.pi * 220 * k * time) * torch.exp(-time) / k for k in range(1, 6)) / 4


def heard_of(waveform):
    return audible.audible(Levelled(Waveform(waveform), RATE), RATE)


def test_silence_is_left_out(note):
    padded = torch.cat([torch.zeros(5 * RATE), note, torch.zeros(RATE), note.repeat(5)])
    heard = heard_of(padded)
    assert len(heard) == audible.HEARD * RATE and heard[: audible.SIZE].abs().max() > 0.1
    assert len(heard_of(torch.zeros(RATE))) == 0


@pytest.mark.parametrize("before", [torch.full((13 * RATE,), -0.01), 0.002 * torch.randn(13 * RATE)])
def test_neither_an_offset_nor_the_noise_of_a_room_is_heard(note, before):
    heard = heard_of(torch.cat([before, note]))
    assert len(heard) < 5 * RATE and heard[-3 * RATE :].abs().max() > 0.3
