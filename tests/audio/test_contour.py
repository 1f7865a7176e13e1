"""Renderings that are loud and soft where their sources are."""

import pytest
import torch

from msdae.audio.contour import EVEN, Contour
from msdae.audio.levels import HOP, Levelled
from msdae.audio.windows import Waveform

RATE = 44100


@pytest.fixture(scope="module")
def phrase():
    time = torch.arange(3 * RATE) / RATE
    return 0.5 * torch.sin(2 * torch.pi * 220 * time)


@pytest.fixture(scope="module")
def tones():
    """Eight of half a second, of eight partials each, with a peak of about 0.5."""
    time = torch.arange(RATE // 2) / RATE
    keys = [220 * 2 ** (key / 12) for key in (0, 2, 4, 5, 7, 9, 11, 12)]
    return [sum(0.25 / n * torch.sin(2 * torch.pi * n * hertz * time) for n in range(1, 9)) for hertz in keys]


def room(seconds, level=3e-4):
    return level * torch.randn(round(seconds * RATE), generator=torch.Generator().manual_seed(0))


def contour(sound):
    return Contour(Levelled(Waveform(sound), RATE))


def followed(contour, blocks, level=1.0, **options):
    return torch.cat(list(contour.followed(blocks, level, **options)))


def test_a_pause_stays_one_and_what_is_heard_is_left_alone(phrase):
    """Regression: in pauses of seconds a rendering was nearly as loud as its music."""
    source = contour(torch.cat([room(2), phrase, room(6), phrase, room(1)]))
    gated = followed(source, [torch.ones(source.source.samples)])
    second = [gated[k * RATE : (k + 1) * RATE] for k in range(15)]
    assert all((second[k] > 0.99).all() for k in (2, 3, 4, 11, 12, 13))
    assert all((second[k][: -RATE // 10] < 1e-3).all() for k in (0, 1, 8, 9, 10))
    assert (second[5][: RATE // 3] > 0.7).all() and (gated.diff().abs() < 0.01).all()


@pytest.mark.parametrize("samples", [1, HOP - 1, HOP + 1, 3 * RATE + 7])
def test_blocks_of_any_size_are_followed_alike(phrase, samples):
    source, blocks = contour(phrase.repeat(2)[:samples]), torch.ones(samples)
    whole = followed(source, [blocks])
    assert torch.equal(followed(source, blocks.split(999), 1.0), whole)
    assert len(whole) == samples and (whole[HOP:] > 0.98).all()


@pytest.mark.parametrize(("noise", "least"), [(3e-3, -30), (3e-4, -90)])
def test_the_noise_of_a_room_does_not_become_notes(phrase, noise, least):
    """Regression: pauses with noise up to 50 dB under the music were as loud as it."""
    source = contour(torch.cat([phrase, room(4, noise), phrase]))
    rendered = followed(source, [0.2 * torch.ones(source.source.samples)], 0.2)
    pause = rendered[round(4.5 * RATE) : round(6.9 * RATE)]
    assert 20 * (pause.abs().max() / 0.2).log10() < least
    assert (rendered[: 3 * RATE] > 0.195).all() and (rendered[7 * RATE :] > 0.195).all()


def test_what_decays_is_left_alone_for_a_while(phrase):
    """A rendering may hold notes that decay in its melody source."""
    note = phrase[:RATE] * 10 ** (-15 * torch.arange(RATE) / RATE / 20)
    gated = followed(contour(note.repeat(6)), [torch.ones(6 * RATE)])
    assert (gated > 0.98).all()


@pytest.mark.parametrize("softer", [6, 12, 20])
def test_soft_passages_stay_soft(phrase, softer):
    """Regression: the model hears little of dynamics, and plays a soft passage as loud as the others."""
    share = 10 ** (-softer / 20)
    most = share * 10 ** (EVEN / 20)
    source = contour(torch.cat([phrase, share * phrase.repeat(3), phrase]))
    blocks = torch.ones(source.source.samples).split(10_000)
    for notes in (True, False):
        gated = followed(source, blocks, notes=notes)
        middle = gated[6 * RATE : 9 * RATE]
        assert [float(middle.min()), float(middle.max())] == pytest.approx([most, most], rel=0.02)
        assert gated[:RATE].min() > 0.98 and gated[-RATE:].min() > 0.98
    assert gated.diff().abs().max() < 1e-3


@pytest.mark.parametrize("seconds", [0.15, 0.4])
@pytest.mark.parametrize("before", [0, 64, RATE // 10])
def test_accents_are_followed(tones, seconds, before):
    """Regression: notes 13 dB louder than others came out at 1 dB, for the model does not hear loudness."""
    levels = [0.22, 1.0, 0.22, 0.22] * 8
    decay = torch.exp(-torch.arange(round(seconds * RATE)) / RATE * 6)
    rest = torch.zeros(before)
    source = contour(
        torch.cat([rest, *(decay * tones[n % 8][: len(decay)] * level for n, level in enumerate(levels))])
    )
    rendering = torch.cat([rest, decay.repeat(len(levels))])
    own = followed(source, rendering.split(10_000))[before:].split(len(decay))
    heard = 20 * torch.stack([note[RATE // 50 : RATE // 10].max() for note in own]).log10().view(8, 4)
    apart = heard[:, 1:2] - heard[:, [0, 2, 3]]
    assert (apart > 8.5).all() and (apart < 14).all()
    plain = followed(source, [rendering], notes=False)[before:]
    assert plain.split(len(decay))[2].max() > 0.98


def test_a_note_that_swells_is_as_loud_as_it_becomes(phrase):
    """Regression: it was as soft as in its first 0.2 s, by 14 dB."""
    swell = torch.cat([torch.linspace(0, 0.05, 500), torch.linspace(0.05, 1, RATE)]) * phrase[: RATE + 500]
    rest = torch.zeros(RATE // 10)
    decay = torch.exp(-4 * torch.arange(len(swell)) / RATE)
    rendering = torch.cat([torch.cat([rest, decay]).repeat(4)])
    own = followed(contour(torch.cat([rest, swell]).repeat(4)), [rendering]).split(len(rest) + len(swell))
    assert all(note.max() > 0.7 for note in own[1:])


def test_a_step_is_no_accent_where_the_source_has_none(phrase):
    """Regression: onsets within notes, as by vibrato, made what decays louder in steps of 6 dB and more."""
    time = torch.arange(3 * RATE) / RATE
    source = contour((1 + 0.15 * torch.sin(2 * torch.pi * 5.5 * time)) * phrase)
    decay = torch.exp(-2 * time)
    factors = followed(source, [decay]) / decay
    assert factors.min() > 0.95 and factors.max() < 1.05


def test_what_is_as_loud_as_it_should_be_is_left_alone(phrase):
    decay = torch.exp(-torch.arange(RATE // 2) / RATE * 6)
    notes = torch.cat([decay * phrase[: len(decay)] * level for level in (1, 0.3, 0.6, 0.2)])
    assert followed(contour(notes), [notes / 0.5], notes=True).sub(notes / 0.5).abs().max() < 0.01


@pytest.mark.parametrize("offset", [0.003, 0.1, -0.3])
def test_an_offset_is_no_sound_in_pauses(phrase, offset):
    sound = torch.cat([phrase, torch.zeros(3 * RATE)])
    plain, moved = (followed(contour(x), [torch.ones(len(x))]) for x in (sound, sound + offset))
    torch.testing.assert_close(moved, plain, atol=1e-4, rtol=0)


def test_a_note_may_decay_further_than_noise(phrase):
    """Regression: a rendering ended where a note of its melody source had decayed by 20 dB."""
    decay = 10 ** (-15 * torch.arange(2 * RATE) / RATE / 20)
    tone, hiss = (
        followed(contour((decay * sound).repeat(4)), [torch.ones(8 * RATE)])[: 6 * RATE]
        for sound in (phrase[: 2 * RATE], room(2, 0.1))
    )
    assert tone.min() > 0.95 and hiss.min() < 0.6
