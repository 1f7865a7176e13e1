from types import SimpleNamespace

import numpy as np
import pytest
import torch

from msdae.models.composers.roll_diffusion import PITCHES


@pytest.mark.parametrize("wrap", [True, False])
@pytest.mark.parametrize("standard", [True, False])
def test_images_come_back_as_rolls(small, wrap, standard):
    composer, pieces = small("roll_diffusion", wrap=wrap, standard=standard)
    roll = composer.excerpt(composer.encode(pieces[0]), np.random.default_rng(0))
    images = composer._images(torch.from_numpy(roll)[None])
    assert images.shape[1:3] == ((11, 12) if wrap else (1, PITCHES))
    np.testing.assert_array_equal(composer._active(images)[0], roll > 0)


def test_octaves_wrap(small):
    """What is predicted of C hears B, its neighbour below, which is in the last row."""
    composer, _ = small("roll_diffusion", sampler="ddpm")
    composer.unet = Around()
    images = torch.arange(11 * 12 * 64.0).reshape(1, 11, 12, 64)
    assert torch.equal(composer._predicted(images, torch.tensor(3)), images.roll(1, dims=2))


class Around(torch.nn.Module):
    """Answers with the row below."""

    def forward(self, images, times):
        return SimpleNamespace(sample=images.roll(1, dims=2))


def test_standard_images_have_mean_0_and_deviation_1(small):
    composer, pieces = small("roll_diffusion", wrap=False, standard=True)
    whole = torch.cat([composer._images(torch.from_numpy(composer.encode(p))[None]) for p in pieces], dim=-1)
    assert abs(float(whole.mean())) < 1e-3 and float(whole.std()) == pytest.approx(1, abs=1e-3)
