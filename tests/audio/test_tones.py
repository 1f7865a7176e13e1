import pytest
import torch

from msdae.audio import tones

RATE = 44100


def power(waveform, hertz):
    """Of a frequency, by its discrete Fourier transform."""
    turns = 2 * torch.pi * hertz / RATE * torch.arange(len(waveform), dtype=torch.float64)
    return float((waveform * torch.exp(-1j * turns)).sum().abs() ** 2)


def test_a_note_sounds_at_its_pitch_from_its_onset_to_its_end():
    sound = tones.played([(0.5, 1.0, 69, 127)], 2 * RATE, RATE)
    assert sound.shape == (2 * RATE,) and not sound[: RATE // 2].any()
    assert 0.4 < sound.abs().max() <= 1
    held = sound[RATE // 2 : RATE]
    assert power(held, 440) > 100 * power(held, 466.16)
    assert power(held, 880) > 100 * power(held, 932.33)
    assert sound[int(1.4 * RATE) :].abs().max() < 0.05 * sound.abs().max()


def test_velocities_and_chords_add_up():
    low, high = (0.0, 0.5, 48, 127), (0.1, 0.6, 64, 40)
    together = tones.played([low, high], RATE, RATE)
    each = [tones.played([note], RATE, RATE) for note in (low, high)]
    torch.testing.assert_close(together, sum(each))
    assert each[1].abs().max() < 0.3 * each[0].abs().max()


@pytest.mark.parametrize("rate", [22050, 44100])
def test_no_partial_is_above_half_of_the_rate(rate):
    sound = tones.played([(0.0, 1.0, 103, 127)], rate, rate)
    spectrum = torch.fft.rfft(sound).abs()
    assert spectrum[: int(0.46 * rate)].max() > 100 * spectrum[int(0.47 * rate) :].max()


def test_of_notes_outside_only_their_rest_is_heard():
    assert not tones.played([(3.0, 4.0, 60, 90), (-3.0, -2.0, 60, 90)], RATE, RATE).any()
    whole = tones.played([(0.5, 1.5, 60, 90)], 2 * RATE, RATE)
    rest = tones.played([(-0.5, 0.5, 60, 90)], RATE, RATE)
    torch.testing.assert_close(rest, whole[RATE:], atol=1e-4, rtol=1e-3)
