import pytest
import torch

from msdae.diffusion import samplers
from msdae.errors import UserError

RANGE = {"sigma_min": 0.01, "sigma_max": 20.0}


def gaussian(x, sigma):
    """The ideal denoiser of data N(3, 0.5^2): its probability-flow ODE has a closed form."""
    s = sigma[:, None, None]
    return 3.0 + 0.25 / (0.25 + s**2) * (x - 3.0)


@pytest.mark.parametrize("name", list(samplers.SAMPLERS))
@pytest.mark.parametrize("steps", [1, 2, 3, 5, 10, 100])
def test_every_number_of_steps_is_finite(name, steps):
    """Regression: one of the released samplers gave NaN with ten or fewer steps."""
    noise = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0))
    assert samplers.sample(gaussian, noise, steps, name, **RANGE).isfinite().all()


@pytest.mark.parametrize(("name", "tolerance"), [("euler", 0.05), ("heun", 2e-3), ("dpmpp_2m", 2e-3)])
def test_samplers_reach_the_closed_form(name, tolerance):
    noise = torch.randn(4, 4, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    sigma_max = 20.0
    exact = 3.0 + 0.5 * (noise * sigma_max - 3.0) / (0.25 + sigma_max**2) ** 0.5
    found = samplers.sample(gaussian, noise, 100, name, sigma_min=1e-3, sigma_max=sigma_max)
    assert (found - exact).abs().max() < tolerance


@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("heun", 2), ("dpmpp_2m", 2)])
def test_order_of_convergence(name, order):
    """Twice the steps divide the error by 2 ** order."""
    noise = torch.randn(4, 4, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    exact = 3.0 + 0.5 * (noise * 20 - 3.0) / (0.25 + 20.0**2) ** 0.5
    options = {"sampler": name, "sigma_min": 1e-3, "sigma_max": 20.0}
    coarse, fine = (
        (samplers.sample(gaussian, noise, steps, **options) - exact).abs().mean() for steps in (100, 200)
    )
    assert (coarse / fine).log2().item() == pytest.approx(order, abs=0.3)


def test_karras_sigmas_are_the_papers():
    sigmas = samplers.karras_sigmas(18)
    assert (
        sigmas[0].item() == pytest.approx(80)
        and sigmas[17].item() == pytest.approx(0.002)
        and sigmas[18] == 0
    )
    assert sigmas[1].item() == pytest.approx((80 ** (1 / 7) + (0.002 ** (1 / 7) - 80 ** (1 / 7)) / 17) ** 7)
    assert (sigmas.diff() < 0).all()


def test_bad_requests_are_named():
    with pytest.raises(UserError, match="sampler 'ddim': choose one of dpmpp_2m, euler, heun"):
        samplers.sample(gaussian, torch.zeros(1, 1, 1), sampler="ddim", **RANGE)
    with pytest.raises(UserError, match="at least 1"):
        samplers.sample(gaussian, torch.zeros(1, 1, 1), steps=0, **RANGE)


def test_guidance_moves_away_from_what_the_level_does_not_say():
    x = torch.zeros(1, 1, 1)
    guided = samplers.guided(
        lambda x, sigma: [torch.full_like(x, value) for value in (2, 1.5, 5)], [3.0, 0.0]
    )
    assert guided(x, torch.ones(1)).item() == pytest.approx(2.0 + 2 * 0.5 + (-1) * (-3.0))


@pytest.mark.parametrize(
    ("name", "steps", "calls"), [("euler", 5, 5), ("heun", 18, 35), ("dpmpp_2m", 12, 12)]
)
def test_evaluations_are_counted(name, steps, calls):
    assert samplers.evaluations(name, steps) == calls
