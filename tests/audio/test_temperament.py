import numpy as np
import pytest
import torch

from msdae.audio import temperament


@pytest.mark.parametrize(("pitch", "hertz"), [(69, 440), (57, 220), (60, 261.6256), (69.5, 452.8930)])
def test_a_pitch_and_its_frequency(pitch, hertz):
    assert temperament.hertz(pitch) == pytest.approx(hertz)
    assert temperament.pitch(hertz) == pytest.approx(pitch)


def test_arrays_and_tensors_and_what_is_no_tone():
    assert np.allclose(temperament.hertz(np.array([69, 81])), [440, 880])
    assert torch.allclose(temperament.hertz(torch.tensor([69.0, 81.0])), torch.tensor([440.0, 880.0]))
    assert temperament.pitch(0.0) == temperament.pitch(1.0)
