"""What every codec that ships promises."""

import pytest
import torch

from msdae import codecs
from msdae.errors import UserError


@pytest.fixture(scope="module", params=codecs.shipped())
def codec(request):
    return codecs.load(request.param)


def test_has_the_geometry_of_music2latent(codec):
    assert (codec.channels, codec.hop, codec.sample_rate) == (64, 4096, 44100)


@pytest.mark.parametrize("samples", [1, 4095, 4096, 4097, 32 * 4096])
def test_gives_exactly_the_frames_it_announces(codec, tune, samples):
    z = codec.encode(tune[:, :samples])
    assert z.shape == (1, 64, -(-samples // 4096)) == (1, 64, codec.frames(samples))
    assert codec.decode(z).shape == (1, z.shape[-1] * 4096)


def test_refuses_no_samples(codec):
    with pytest.raises(UserError, match="without samples"):
        codec.encode(torch.zeros(1, 0))


def test_silence_stays_silent(codec):
    assert codec.decode(codec.encode(torch.zeros(1, 65536))).abs().max() < 2e-3


def test_any_latents_give_finite_sound(codec):
    assert codec.decode(torch.full((1, 64, 3), 1e4)).isfinite().all()
