import pytest
import torch

from msdae.diffusion.edm import EDM
from msdae.diffusion.samplers import STEPS, karras_sigmas

edm = EDM(sigma_data=0.7)


def test_scalings_keep_unit_variance():
    """EDM's appendix B.6: with these scalings, network input and target have unit variance."""
    generator = torch.Generator().manual_seed(0)
    y = 0.7 * torch.randn(64, 8, 512, generator=generator)
    sigma = edm.sigmas(torch.randn(64, generator=generator))
    n = sigma[:, None, None] * torch.randn(y.shape, generator=generator)
    c_skip, c_out, c_in, _ = edm.scalings(sigma)
    assert (c_in * (y + n)).var(dim=(1, 2)).allclose(torch.ones(64), atol=0.1)
    assert ((y - c_skip * (y + n)) / c_out).var(dim=(1, 2)).allclose(torch.ones(64), atol=0.1)


def test_loss_is_the_weighted_loss_of_the_denoiser():
    """Eq. 2 with lambda = (s^2 + sd^2) / (s sd)^2 equals the loss in target space."""
    generator = torch.Generator().manual_seed(1)
    y, normal = torch.randn(4, 8, 16, generator=generator), torch.randn(4, generator=generator)
    sigma = edm.sigmas(normal)
    n = sigma[:, None, None] * torch.randn(y.shape, generator=generator)
    network = lambda x, c: torch.sin(x) + c[:, None, None]  # noqa: E731
    weight = (sigma**2 + 0.7**2) / (sigma * 0.7) ** 2
    squared = (edm.denoise(network, y + n, sigma) - y).square().mean(dim=(1, 2))
    torch.testing.assert_close(edm.loss(network, y, n, sigma), weight * squared, rtol=1e-4, atol=1e-5)


def test_sigmas_are_log_normal():
    sigmas = edm.sigmas(torch.randn(100_000, generator=torch.Generator().manual_seed(2)))
    assert sigmas.log().mean().item() == pytest.approx(-1.2, abs=0.02)
    assert sigmas.log().std().item() == pytest.approx(1.2, abs=0.02)


@pytest.mark.parametrize("P_mean", [-1.2, 0.5])
def test_sampling_stays_where_training_was(P_mean):
    """Regression, defect 7: five of twenty steps lay where 1.3 % of training was."""
    trained = EDM(1.0, P_mean=P_mean)
    levels = trained.sigmas(torch.randn(100_000, generator=torch.Generator().manual_seed(0)))
    sigmas = karras_sigmas(STEPS, trained.sigma_min, trained.sigma_max)[:-1]
    assert (levels < sigmas[-1]).float().mean() < 0.01 and (levels < sigmas[-2]).float().mean() > 0.005
    assert sigmas[0] > 19.9 and (levels > sigmas[0]).float().mean() < 0.01
