import random

import numpy as np
import pytest

from msdae.symbolic.maqam import Tone
from msdae.synthesis.plucked import KINDS, ROOMS, PluckedString, drone, place, render

SAMPLES = 66150


def play(kind, tone, seed="a"):
    return render([tone], PluckedString.draw(kind, random.Random(1)), SAMPLES, seed)


def hertz(waveform, around):
    """The strongest frequency within a tenth of `around`."""
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)), 2**19))
    frequencies = np.arange(len(spectrum)) * 44100 / 2**19
    near = np.abs(frequencies / around - 1) < 0.1
    return frequencies[near][spectrum[near].argmax()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pitch", [45.5, 57.3, 69.0])
def test_quarter_tones_are_in_tune(kind, pitch):
    wanted = 440 * 2 ** ((pitch - 69) / 12)
    assert abs(1200 * np.log2(hertz(play(kind, Tone(0, 1.5, pitch, 90)), wanted) / wanted)) < 8


@pytest.mark.parametrize("kind", KINDS)
def test_a_string_dies_away_and_is_seeded(kind):
    waveform = play(kind, Tone(0, 1.5, 55, 90))
    assert waveform.dtype == np.float32 and np.abs(waveform).max() == pytest.approx(1)
    assert np.abs(waveform[:10000]).max() > 2 * np.abs(waveform[-10000:]).max()
    assert np.array_equal(play(kind, Tone(0, 1.5, 55, 90)), waveform)
    assert (play(kind, Tone(0, 1.5, 55, 90), "b") != waveform).any()


def test_a_slide_is_heard():
    waveform = play("oud", Tone(0, 1.5, 60, 90, slide=(-3, 0.6)))
    low, high = 440 * 2 ** ((57 - 69) / 12), 440 * 2 ** ((60 - 69) / 12)
    assert hertz(waveform[:6000], low) < 1.06 * low
    assert hertz(waveform[-40000:], high) == pytest.approx(high, rel=0.005)


def test_rooms_and_drones():
    dry = play("oud", Tone(0, 0.5, 60, 90))
    tails = {room: float((place(dry, room, random.Random(0))[44100:] ** 2).mean()) for room in ROOMS}
    assert tails["dry"] < tails["room"] < tails["hall"]
    tones = drone(50, 10, 3)
    assert [tone.onset for tone in tones] == [0, 3, 6, 9] and {tone.pitch for tone in tones} == {38}
