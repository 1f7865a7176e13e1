"""Sources of any level at the level of training."""

import pytest
import torch

from msdae.audio.levels import MODEL_PEAK, Levelled
from msdae.audio.windows import Waveform

RATE = 44100


@pytest.fixture(scope="module")
def phrase():
    time = torch.arange(3 * RATE) / RATE
    return 0.5 * torch.sin(2 * torch.pi * 220 * time)


def room(seconds, level=3e-4):
    return level * torch.randn(round(seconds * RATE), generator=torch.Generator().manual_seed(0))


def levelled(sound):
    return Levelled(Waveform(sound), RATE)


def heard(source):
    return torch.cat(list(source.blocks()))


@pytest.mark.parametrize("gain", [1e-3, 0.1, 8.0])
def test_any_level_becomes_one(phrase, gain):
    assert heard(levelled(gain * phrase)).abs().max() == pytest.approx(MODEL_PEAK, rel=1e-4)


def test_a_click_is_no_level(phrase):
    sound = 0.05 * phrase.repeat(4)
    expected = heard(levelled(sound))
    sound[100_000] = 1.0
    torch.testing.assert_close(heard(levelled(sound))[:99_000], expected[:99_000])


@pytest.mark.parametrize("level", [1e-4, 1e-3])
def test_one_note_in_a_minute_of_noise_is_no_click(phrase, level):
    """Regression: a note in under 4 % of a recording passed for a click, and grew 600 times as loud."""
    source = levelled(torch.cat([room(30, level), phrase[: 2 * RATE], room(30, level)]))
    assert source.gain == pytest.approx(MODEL_PEAK / 0.5, rel=0.01)


def test_silence_is_not_made_louder():
    source = levelled(torch.zeros(1000))
    assert source.silent and source.gain == 1 and not heard(source).any()
    assert not levelled(room(1)).silent


@pytest.mark.parametrize("offset", [0.003, 0.1, -0.3])
def test_an_offset_is_no_sound(phrase, offset):
    """Regression: it was taken for sound, in pauses too, and made the music softer."""
    sound = torch.cat([phrase, torch.zeros(3 * RATE)])
    plain, moved = levelled(sound), levelled(sound + offset)
    assert moved.gain == pytest.approx(plain.gain, rel=1e-3)
    torch.testing.assert_close(heard(moved), heard(plain), atol=1e-4, rtol=0)
    torch.testing.assert_close(moved.levels, plain.levels, atol=0.01, rtol=0)
    assert levelled(torch.full((RATE,), offset)).silent
