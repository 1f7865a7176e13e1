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


def commonest(sound):
    """The share of the frames' pitches at the commonest key."""
    hertz = periods(Waveform(sound), RATE).hertz[8:-8]
    counts = (12 * (hertz[hertz > 0] / 440).log2()).round().unique(return_counts=True)[1]
    return float(counts.max() / counts.sum())


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
        assert straightened.samples == len(sound) and straightened.gliding == 0
        assert torch.equal(torch.cat(list(straightened.blocks())), sound)
        assert torch.equal(torch.cat(list(straightened.restored([sound]))), sound)


@pytest.mark.parametrize(
    "cents",
    [
        100 * (torch.sin(2 * torch.pi * 6 * TIME) > 0).double(),  # twelve notes a second
        -700 * (1 - TIME % 1 / 0.15).clamp(0, 1),
        -400 * (1 - (TIME % 1 - 0.5).abs() / 0.08).clamp(0, 1),
    ],
    ids=["trill", "scoop", "dip"],
)
def test_fast_turns_bend_one_key(cents):
    sound = line(cents)
    straightened = Straightened(Waveform(sound), RATE)
    straight = torch.cat(list(straightened.blocks()))
    assert commonest(sound) < 0.91 and commonest(straight) > 0.96
    assert straightened.gliding > 0.05 and Straightened(Waveform(straight), RATE).gliding < 0.05
    restored = torch.cat(list(straightened.restored([straight])))
    assert (restored - sound)[2000:-2000].abs().max() < 0.02


def test_bends_of_notes():
    """A semitone apart, 30 cents sharp; a pause with a click in it; one that is flat."""
    cents = np.full(200, np.nan)
    cents[20:50], cents[60:90], cents[150:180], cents[120:123] = 6030, 6130, 6595, 5000
    bends = bent(cents)
    np.testing.assert_allclose(bends[20:90], 30)
    np.testing.assert_allclose(bends[90 : 90 + RING], 30 * (1 - np.arange(1, RING + 1) / (RING + 1)))
    assert not bends[: 20 - RING].any() and not bends[90 + RING :].any()


@pytest.mark.parametrize("missing", [0, 1, 5, RING, 12])
def test_a_gap_at_either_end_changes_nothing_else(missing):
    """Regression: all bends were lost if the pitch began within a few frames."""
    cents = np.full(60, 6040.0)
    for gap in (slice(0, missing), slice(60 - missing, 60)):
        cut = cents.copy()
        cut[gap] = np.nan
        bends = bent(cut)
        np.testing.assert_allclose(bends[~np.isnan(cut)], 40)
        assert not missing or bends[gap].max() <= 40


def test_notes_that_are_held_have_keys_of_their_own():
    """Eight a second, a whole tone apart, have; not twelve, a semitone apart, half of which has no pitch."""
    slow = np.repeat([6000.0, 6200.0, 6000.0, 6200.0], 11)
    assert not bent(slow).any()
    fast = np.repeat([6000.0, 6100.0, 6000.0], 7)
    fast[[4, 5, 6, 11, 12, 13]] = np.nan
    keys = fast - bent(fast)
    assert set(keys[~np.isnan(keys)]) == {6000.0}


def test_a_short_gap_has_the_pitches_beside_it():
    cents = np.full(40, 6040.0)
    cents[20:], cents[18:22] = 6540, np.nan
    np.testing.assert_allclose(bent(cents), 40)


def test_a_pitch_half_way_between_keys_stays_at_one():
    cents = 6050 + 10 * np.sin(np.arange(300) / 2)
    bends = bent(cents)
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
