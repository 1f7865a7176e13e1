"""Windows blended inside the sampler."""

import numpy as np
import pytest
import torch

from msdae.diffusion.samplers import SAMPLERS, karras_sigmas
from msdae.inference.longform import Layout, noise


def whole(x, sigma):
    """A denoiser that needs no window: each frame on its own."""
    return x / (1 + sigma[:, None, None] ** 2)


@pytest.mark.parametrize("lengths", [[100], [32], [20], [33, 7, 100, 24 * 3 + 32]])
@pytest.mark.parametrize("batch", [1, 3, 100])
def test_windows_that_agree_give_the_whole(lengths, batch):
    layout = Layout(32, 24, lengths)
    x = torch.randn(1, 4, sum(layout.rooms))
    blended = layout.blended(lambda windows, sigma, part: whole(windows, sigma), batch)
    torch.testing.assert_close(blended(x, torch.ones(1)), whole(x, torch.ones(1)))


def test_recordings_are_not_blended_into_each_other():
    layout = Layout(32, 24, [100, 20, 40])
    windows = [4, 1, 2]
    owner = torch.arange(3).repeat_interleave(torch.tensor(windows)).float()
    denoise = lambda x, sigma, part: owner[part, None, None].expand(x.shape)  # noqa: E731
    z = layout.blended(denoise, batch=2)(torch.zeros(1, 4, 172), torch.ones(1))[0]
    for number, part in enumerate(layout.split(z)):
        assert part.shape == (4, layout.lengths[number]) and torch.allclose(part, torch.tensor(float(number)))


def test_estimates_change_linearly_over_the_overlap():
    layout = Layout(32, 24, [56])
    denoise = lambda x, sigma, part: torch.arange(2.0)[part, None, None].expand(x.shape)  # noqa: E731
    z = layout.blended(denoise, batch=1)(torch.zeros(1, 1, 56), torch.ones(1))[0, 0]
    assert not z[:24].any() and torch.equal(z[32:], torch.ones(24))
    torch.testing.assert_close(z[24:32], torch.arange(1, 9) / 9)


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_detail_does_not_fade_where_windows_overlap(sampler):
    """Regression, defect 16: windows that were sampled apart disagree, and the mean of two samples fades.

    The data are windows of only 1 or only -1.
    """
    layout = Layout(32, 16, [48])

    def denoise(x, sigma, part):  # the ideal denoiser of such windows
        return torch.tanh(x.sum(dim=-1, keepdim=True) / sigma[:, None, None] ** 2).expand(x.shape)

    x = 20 * torch.randn(1, 4000, 48, generator=torch.Generator().manual_seed(0))
    sigmas = karras_sigmas(20, 0.05, 20.0)
    together = SAMPLERS[sampler](layout.blended(denoise, batch=2), x, sigmas)[0][:, 24]
    apart = [
        SAMPLERS[sampler](lambda x, sigma: denoise(x, sigma, None), part, sigmas)[0]
        for part in (x[..., :32], x[..., 16:])
    ]
    crossfaded = (apart[0][:, 24] + apart[1][:, 8]) / 2
    faded = [(place.abs() < 0.5).float().mean() for place in (together, crossfaded)]
    assert faded[0] < 0.7 * faded[1]


def test_noise_follows_from_the_place_alone():
    long = noise(3, 64, 100, 24)
    assert torch.equal(long[:, :40], noise(3, 64, 40, 24)) and not torch.equal(long, noise(4, 64, 100, 24))
    first = np.random.default_rng([3, 0]).standard_normal((64, 24), dtype=np.float32)
    assert np.array_equal(long[:, :24].numpy(), first)
    assert (torch.corrcoef(torch.stack([long[:, :24].flatten(), long[:, 24:48].flatten()]))[0, 1]).abs() < 0.1
