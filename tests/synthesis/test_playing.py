from dataclasses import replace

import numpy as np
import pytest

from msdae.errors import UserError
from msdae.symbolic.notes import Note
from msdae.synthesis.playing import Player, PlayingConfig

RATE, SAMPLES = 44100, 3 * 44100
EVERY = PlayingConfig(vibrato=1, scoop=1, drift=1, swell=1, overlap=1)
STILL = PlayingConfig(vibrato=0, scoop=0, drift=0, swell=0, overlap=0, detune_cents=(0, 0))
LINE = [Note(0.2, 1.1, 69, 90), Note(1.2, 1.9, 69, 90), Note(2.0, 2.8, 69, 90)]
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(SAMPLES) / RATE)).astype(np.float32)


def _cents(waveform):
    """The pitch of a nearly pure tone around 440 Hz, from one zero crossing to the next."""
    up = np.flatnonzero((waveform[:-1] < 0) & (waveform[1:] >= 0))
    crossings = up + waveform[up] / (waveform[up] - waveform[up + 1])
    return crossings[1:] / RATE, 1200 * np.log2(RATE / np.diff(crossings) / 440)


@pytest.mark.parametrize("seed", ["a", "b", "c", "d"])
def test_pitches_move_around_the_notes_within_50_cents(seed):
    played = Player.draw(seed, EVERY).express(TONE, LINE)
    times, cents = _cents(played)
    inside = cents[(times > 0.05) & (times < 2.9)]
    assert played.shape == TONE.shape and played.dtype == np.float32
    assert 4 < np.abs(inside).max() < 56 and abs(np.median(inside)) < 12


def test_notes_are_reached_from_below_and_swing_later():
    player = replace(Player.draw("x", STILL), scoop=-50, scoop_seconds=0.05)
    times, cents = _cents(player.express(TONE, LINE))
    at = lambda start, end: float(cents[(times > start) & (times < end)].mean())  # noqa: E731
    assert at(1.2, 1.22) < -10 and abs(at(1.5, 1.9)) < 2
    player = replace(player, scoop=0, vibrato=30, hertz=5, onset=0.3, rise=0.2)
    times, cents = _cents(player.express(TONE, LINE[:1]))
    assert np.abs(cents[(times > 0.25) & (times < 0.45)]).max() < 2 < 20 < np.abs(cents).max() < 42


def test_players_keep_time():
    """Onsets stay where they are within 5 ms, whatever the pitch did before."""
    clicks = np.zeros(SAMPLES, np.float32)
    clicks[[round(note.onset * RATE) for note in LINE]] = 1
    for seed in "abcdef":
        played = replace(Player.draw(seed, EVERY), swell=0).express(clicks, LINE)
        for note in LINE:
            place = round(note.onset * RATE)
            near = np.abs(played[place - 400 : place + 400])
            assert abs(int(near.argmax()) - 400) < 0.005 * RATE


def test_loudness_belongs_to_the_excerpt_and_its_size_to_the_player():
    curves = []
    for swell in (6, 12):
        player = replace(Player.draw(str(swell), STILL), swell=swell)
        curves.append(20 * np.log10(player.express(np.ones(SAMPLES, np.float32), LINE)))
    assert curves[0].min() < -3 and np.allclose(2 * curves[0], curves[1], atol=0.05)
    assert not np.allclose(curves[0], 20 * np.log10(player.express(np.ones(SAMPLES), LINE[:2])), atol=0.5)


def test_notes_are_held_longer_and_slightly_out_of_tune():
    player = replace(Player.draw("x", STILL), overlap=0.1, detune=10)
    touched = player.touch(LINE)
    assert [note.offset for note in touched] == pytest.approx([1.2, 2.0, 2.9])
    assert len({note.pitch for note in touched}) == 3 and touched == player.touch(LINE)
    assert all(abs(note.pitch - 69) <= 0.25 for note in touched)
    assert Player.draw("x", STILL).touch(LINE) == LINE and Player.draw("x", STILL).express(TONE, LINE) is TONE


def test_chords_swing_together_and_nothing_scoops():
    chord = [Note(0.2, 2.5, pitch, 90) for pitch in (60, 64, 67)] + [Note(1.0, 2.5, 72, 90)]
    player = replace(Player.draw("x", STILL), scoop=-50)
    assert np.abs(player._cents(chord, 100)).max() == 0 < np.abs(player._cents(LINE, 100)).max()


def test_more_than_50_cents_are_refused():
    with pytest.raises(UserError, match="scoop_cents: is 80.*notes stay the notes"):
        PlayingConfig(scoop_cents=(10, 80))


def test_a_tuning_that_would_be_cut_is_refused():
    """Regression: deviations up to 50 cents were taken, and notes were cut to 25 cents all the same."""
    with pytest.raises(UserError, match="detune_cents: is 40.*0 to 25.*no note is out of tune by more"):
        PlayingConfig(detune_cents=(0, 40))
