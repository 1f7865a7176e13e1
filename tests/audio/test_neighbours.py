import pytest
import torch

from msdae.audio import neighbours, temperament
from msdae.evaluation.metrics import mfcc
from msdae.synthesis import pitch

RATE = 44100


def tones(partials, *pitches):
    """Half a second a pitch of so many partials, equally strong."""
    time = torch.arange(RATE // 2) / RATE
    return torch.cat(
        [
            sum(torch.sin(2 * torch.pi * k * temperament.hertz(key) * time) for k in range(1, partials + 1))
            / partials
            / 2
            for key in pitches
        ]
    )


@pytest.mark.parametrize(("transposition", "least"), [(0, 0.98), (7, 0.95), (-9, 0.88)])
def test_the_melody_is_played_by_the_frames_of_the_timbre_source(transposition, least):
    """Least: raised by 9 semitones, the last partials lie above the envelope, which stays."""
    melody = tones(3, 60, 64)
    timbre = tones(20, 60 + transposition, 64 + transposition)
    out = neighbours.swap(timbre, melody)
    assert out.shape == melody.shape
    for part, key in ((out[: RATE // 2], 60), (out[RATE // 2 :], 64)):
        assert pitch.measure(part.numpy(), RATE, key) == pytest.approx(key, abs=0.3)
    truth = tones(20, 60, 64)
    assert mfcc.similarity(out, truth, RATE) > least > 0.5 > mfcc.similarity(melody, truth, RATE)
    assert float(out.square().mean()) == pytest.approx(float(melody.square().mean()), rel=0.3)


@pytest.mark.parametrize("transposition", [7, -9])
def test_formants_of_a_transposed_sound_stay_in_place(transposition):
    melody = tones(3, 60, 64)
    sound, truth = (vowel(60 + semitones, 64 + semitones) for semitones in (transposition, 0))
    assert mfcc.similarity(neighbours.swap(sound, melody), truth, RATE) > 0.65


def vowel(*pitches):
    """Half a second a pitch, with formants of 800 and 2 400 Hz at all of them."""
    spectrum = torch.fft.rfft(tones(30, *pitches))
    hertz = torch.arange(len(spectrum)) * RATE / (2 * (len(spectrum) - 1))
    gain = sum(torch.exp(-(((hertz - centre) / 300) ** 2)) for centre in (800, 2400)) + 0.01
    return torch.fft.irfft(spectrum * gain)


def test_silent_and_short_sources():
    melody = torch.cat([tones(3, 60), torch.zeros(RATE)])
    assert not neighbours.swap(torch.zeros(RATE), melody).any()
    out = neighbours.swap(tones(20, 60)[:1000], melody)
    assert out[: RATE // 4].any() and not out[RATE:].any()


@pytest.mark.parametrize("seconds", [0.05, 0.5])
def test_variety_tells_a_note_from_a_melody(seconds):
    note, loudness = tones(8, 60)[: round(seconds * RATE)], torch.linspace(1, 0, round(seconds * RATE))
    for one in (note, note * loudness, torch.cat([note, torch.zeros(RATE)]), 0.01 * note):
        assert neighbours.variety(one, RATE) < 0.1
    assert neighbours.variety(tones(8, 60, 67, 62), RATE) > 0.4
    assert neighbours.variety(torch.zeros(RATE), RATE) == 1
