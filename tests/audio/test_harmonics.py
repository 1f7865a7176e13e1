import pytest
import torch

from msdae.audio.harmonics import PITCHES, STEPS, harmonic_filters


@pytest.mark.parametrize("pitch", [40, 57, 69, 81])
def test_the_pitch_of_a_note_stands_out(pitch):
    hertz = torch.linspace(0, 22050, 1025)
    spectrum = torch.full((1025,), -4.0)
    for harmonic in range(1, 12):
        spectrum[round(440 * 2 ** ((pitch - 69) / 12) * harmonic / 22050 * 1024)] = 1.0
    heard = PITCHES[0] + (spectrum @ harmonic_filters(hertz)).argmax().item() / STEPS
    assert abs(heard - pitch) <= 0.7


def test_a_flat_spectrum_stays_flat():
    flat = torch.full((1025,), 2.0) @ harmonic_filters(torch.linspace(0, 22050, 1025))
    torch.testing.assert_close(flat, torch.full_like(flat, 2.0))
