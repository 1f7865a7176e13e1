import numpy as np
import pytest
import torch

from msdae.audio.intonation import RING, Straightened, bent
from msdae.audio.periods import periods
from msdae.audio.windows import Waveform

RATE = 44100
TIME = torch.arange(3 * RATE, dtype=torch.double) / RATE
BENDS = {
    "vibrato": 50 * torch.sin(2 * torch.pi * 5.5 * TIME),
    "quarter tone": torch.full_like(TIME, 45),
    "slide": 700 * (TIME - 1).clamp(0, 1),
}


def line(cents, key=60):
    hertz = 440 * 2 ** ((key - 69 + cents / 100) / 12)
    phase = 2 * torch.pi * hertz.cumsum(0) / RATE
    return sum(0.1 / n * torch.sin(n * phase) for n in range(1, 8)).float()


def above_keys(sound):
    """Cents of the frames' pitches above the keys, without the ends: (frames,)."""
    hertz = periods(Waveform(sound), RATE).hertz[8:-8]
    cents = 1200 * (hertz[hertz > 0] / 440).log2()
    return cents - 100 * (cents / 100).round()


@pytest.mark.parametrize("kind", BENDS)
def test_what_bends_is_straightened_and_bent_again(kind):
    sound = line(BENDS[kind])
    straightened = Straightened(Waveform(sound), RATE)
    straight = torch.cat(list(straightened.blocks()))
    assert len(straight) == straightened.samples
    assert above_keys(sound).abs().quantile(0.8) > 20
    assert above_keys(straight).abs().quantile(0.8) < 8
    restored = torch.cat(list(straightened.restored(straight.split(10_000))))
    assert len(restored) == len(sound)
    assert (restored - sound)[2000:-2000].abs().max() < 0.01


def test_what_is_straight_or_has_several_voices_is_left_alone():
    chord = line(BENDS["vibrato"]) + line(torch.zeros_like(TIME), key=64) + line(torch.zeros_like(TIME), 67)
    for sound in (line(torch.full_like(TIME, 8)), chord, torch.zeros(RATE), torch.ones(1)):
        straightened = Straightened(Waveform(sound), RATE)
        assert straightened.samples == len(sound)
        assert torch.equal(torch.cat(list(straightened.blocks())), sound)
        assert torch.equal(torch.cat(list(straightened.restored([sound]))), sound)


def test_bends_of_notes():
    """A semitone apart, 30 cents sharp, a pause of which a half is short, and one flat within its reach."""
    seconds = np.arange(200) / 86
    cents = np.full(200, np.nan)
    cents[20:50], cents[60:90], cents[150:180], cents[185:188] = 6030, 6130, 6595, 5000
    bends = bent(seconds, cents)
    np.testing.assert_allclose(bends[20 - RING : 90 + RING], 30)
    assert not bends[: 20 - RING].any() and not bends[90 + RING :].any()


def test_a_pitch_half_way_between_keys_stays_at_one():
    cents = 6050 + 10 * np.sin(np.arange(300) / 2)
    bends = bent(np.arange(300) / 86, cents)
    assert len({*np.round((cents - bends) / 100)}) == 1


def test_a_click_an_offset_and_any_level_change_nothing():
    """Regressions: one click, or an offset in pauses, turned it off; samples of 1e19 were a NumPy error."""
    sound = torch.cat([line(BENDS["vibrato"]), torch.zeros(RATE)])
    wanted = Straightened(Waveform(sound), RATE).samples
    clicking = sound.clone()
    clicking[4 * RATE - 800 :] = 60.0
    for other in (sound + 0.3, 1e19 * sound, 1e-6 * sound):
        assert Straightened(Waveform(other), RATE).samples == pytest.approx(wanted, abs=2)
    assert Straightened(Waveform(clicking), RATE).samples != len(sound)
