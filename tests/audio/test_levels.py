"""Sources of any level at the level of training, and their pauses."""

import pytest
import torch

from msdae.audio.equaliser import PEAK
from msdae.audio.levels import EVEN, HOP, Levelled
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
    assert heard(levelled(gain * phrase)).abs().max() == pytest.approx(PEAK, rel=1e-4)


def test_a_click_is_no_level(phrase):
    sound = 0.05 * phrase.repeat(4)
    expected = heard(levelled(sound))
    sound[100_000] = 1.0
    torch.testing.assert_close(heard(levelled(sound))[:99_000], expected[:99_000])


@pytest.mark.parametrize("level", [1e-4, 1e-3])
def test_one_note_in_a_minute_of_noise_is_no_click(phrase, level):
    """Regression: a note in under 4 % of a recording passed for a click, and grew 600 times as loud."""
    source = levelled(torch.cat([room(30, level), phrase[: 2 * RATE], room(30, level)]))
    assert source.gain == pytest.approx(PEAK / 0.5, rel=0.01)


def test_silence_is_not_made_louder():
    source = levelled(torch.zeros(1000))
    assert not torch.cat(list(source.gated([torch.zeros(1000)], 0.0))).any()
    assert source.silent and source.gain == 1 and not heard(source).any()
    assert not levelled(room(1)).silent


def test_a_pause_stays_one_and_what_is_heard_is_left_alone(phrase):
    """Regression: in pauses of seconds a rendering was nearly as loud as its music."""
    source = levelled(torch.cat([room(2), phrase, room(6), phrase, room(1)]))
    gated = torch.cat(list(source.gated([torch.ones(source.samples)], 1.0)))
    second = [gated[k * RATE : (k + 1) * RATE] for k in range(15)]
    assert all((second[k] > 0.99).all() for k in (2, 3, 4, 11, 12, 13))
    assert all((second[k][: -RATE // 10] < 1e-3).all() for k in (0, 1, 8, 9, 10))
    assert (second[5][: RATE // 3] > 0.7).all() and (gated.diff().abs() < 0.01).all()


@pytest.mark.parametrize("samples", [1, HOP - 1, HOP + 1, 3 * RATE + 7])
def test_blocks_of_any_size_are_gated_alike(phrase, samples):
    source, blocks = levelled(phrase.repeat(2)[:samples]), torch.ones(samples)
    whole = torch.cat(list(source.gated([blocks], 1.0)))
    assert torch.equal(torch.cat(list(source.gated(blocks.split(999), 1.0))), whole)
    assert len(whole) == samples and (whole[HOP:] > 0.98).all()


@pytest.mark.parametrize(("noise", "least"), [(3e-3, -30), (3e-4, -90)])
def test_the_noise_of_a_room_does_not_become_notes(phrase, noise, least):
    """Regression: pauses with noise up to 50 dB under the music were as loud as it."""
    source = levelled(torch.cat([phrase, room(4, noise), phrase]))
    rendered = torch.cat(list(source.gated([0.2 * torch.ones(source.samples)], 0.2)))
    pause = rendered[round(4.5 * RATE) : round(6.9 * RATE)]
    assert 20 * (pause.abs().max() / 0.2).log10() < least
    assert (rendered[: 3 * RATE] > 0.195).all() and (rendered[7 * RATE :] > 0.195).all()


def test_what_decays_is_left_alone_for_a_while(phrase):
    """A rendering may hold notes that decay in its melody source."""
    note = phrase[:RATE] * 10 ** (-15 * torch.arange(RATE) / RATE / 20)
    gated = torch.cat(list(levelled(note.repeat(6)).gated([torch.ones(6 * RATE)], 1.0)))
    assert (gated > 0.98).all()


@pytest.mark.parametrize("softer", [6, 12, 20])
def test_soft_passages_stay_soft(phrase, softer):
    """Regression: the model hears little of dynamics, and plays a soft passage as loud as the others."""
    share = 10 ** (-softer / 20)
    most = share * 10 ** (EVEN / 20)
    source = levelled(torch.cat([phrase, share * phrase.repeat(3), phrase]))
    gated = torch.cat(list(source.gated(torch.ones(source.samples).split(10_000), 1.0)))
    middle = gated[6 * RATE : 9 * RATE]
    assert [float(middle.min()), float(middle.max())] == pytest.approx([most, most], rel=0.02)
    assert gated[:RATE].min() > 0.98 and gated[-RATE:].min() > 0.98 and gated.diff().abs().max() < 1e-3


@pytest.mark.parametrize("offset", [0.003, 0.1, -0.3])
def test_an_offset_is_no_sound(phrase, offset):
    """Regression: it was taken for sound, in pauses too, and made the music softer."""
    sound = torch.cat([phrase, torch.zeros(3 * RATE)])
    plain, moved = levelled(sound), levelled(sound + offset)
    assert moved.gain == pytest.approx(plain.gain, rel=1e-3)
    torch.testing.assert_close(heard(moved), heard(plain), atol=1e-4, rtol=0)
    blocks = [torch.ones(len(sound))]
    gated = [torch.cat(list(source.gated(blocks, 1.0))) for source in (plain, moved)]
    torch.testing.assert_close(gated[1], gated[0], atol=1e-4, rtol=0)
    assert levelled(torch.full((RATE,), offset)).silent
