import numpy as np
import pytest
import torch

from msdae.models.composers.roll_diffusion import PITCHES


@pytest.mark.parametrize("wrap", [True, False])
def test_images_come_back_as_rolls(small, wrap):
    composer, pieces = small("roll_diffusion", wrap=wrap)
    roll = composer.excerpt(composer.encode(pieces[0]), np.random.default_rng(0))
    images = composer._images(torch.from_numpy(roll)[None])
    assert images.shape[1:3] == ((11, 12) if wrap else (1, PITCHES))
    np.testing.assert_array_equal(composer._active(images)[0], roll > 0)


def test_octaves_wrap(small):
    """A roll that is moved by an octave gives the same prediction in the next channels' rows."""
    composer, _ = small("roll_diffusion", sampler="ddpm")
    images = torch.randn(1, 11, 12, 64)
    with torch.no_grad():
        predicted = composer.eval()._predicted(images, torch.tensor(3))
    assert predicted.shape == images.shape
