"""Sound whose dynamics are made even: notes stay as loud as they begin, slow changes and silence remain."""

import math

import pytest
import torch

from msdae.audio.dynamics import even

RATE = 44100


def tone(seconds, decibels=0.0):
    """A tone of 440 Hz that changes by so many dB from its start to its end."""
    time = torch.arange(round(seconds * RATE)) / RATE
    return 0.3 * torch.sin(2 * math.pi * 440 * time) * 10 ** (decibels * time / seconds / 20)


def level(waveform, place, seconds=0.1):
    """dB of the part that begins at `place`, in seconds."""
    start = round(place * RATE)
    return 10 * math.log10(float(waveform[start : start + round(seconds * RATE)].square().mean()) + 1e-20)


def test_a_note_that_dies_away_stays_as_loud_as_it_was():
    made = even(torch.cat([tone(1.4, -20)] * 4), RATE)
    for note in range(4):
        for place in (0.1, 0.7, 1.2):
            assert level(made, 1.4 * note + place) == pytest.approx(level(tone(1.4), 0.1), abs=2)


def test_slow_changes_are_kept():
    loud = even(tone(30, 24), RATE)
    assert level(loud, 28) - level(loud, 2) > 0.9 * 24 * 26 / 30


def test_what_is_even_and_what_is_silent_stays():
    torch.testing.assert_close(even(tone(4), RATE)[4096:-4096], tone(4)[4096:-4096], atol=2e-3, rtol=0.02)
    assert not even(torch.zeros(3 * RATE), RATE).any()


def test_noise_far_below_the_notes_is_not_raised():
    noise = 1e-4 * torch.randn(3 * RATE, generator=torch.Generator().manual_seed(0))
    notes = torch.cat([tone(1), torch.zeros(RATE), tone(1)])
    made = even(notes + noise, RATE)
    assert level(made, 1.3, 0.4) == pytest.approx(level(noise, 1.3, 0.4), abs=1)


def test_batches_and_gains():
    waves = torch.stack([tone(2, -30), tone(2, 10)])
    torch.testing.assert_close(even(waves, RATE)[1], even(waves[1], RATE))
    torch.testing.assert_close(even(0.1 * waves, RATE), 0.1 * even(waves, RATE), atol=1e-4, rtol=1e-2)
