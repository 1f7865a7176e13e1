"""Samplers: pure functions f(denoiser, x, sigmas) that integrate the probability-flow ODE.

denoiser: callable (x, sigma) -> D(x; sigma); x: (batch, channels, frames), sigma: (batch,)
x: noise of standard deviation sigmas[0]
sigmas: (steps + 1,), decreasing, the last one 0
"""

from collections.abc import Callable, Sequence

import torch

from msdae.diffusion import SAMPLERS, STEPS
from msdae.errors import UserError

Denoiser = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def karras_sigmas(
    steps: int, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0
) -> torch.Tensor:
    """EDM eq. 5 and a final 0: (steps + 1,). One step goes straight from sigma_max to 0.

    Raises:
        UserError: fewer than one step.
    """
    if steps < 1:
        raise UserError(f"{steps} sampling steps: at least 1 is needed")
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    sigmas = (high + ramp * (low - high)) ** rho
    return torch.cat([sigmas, sigmas.new_zeros(1)])


@SAMPLERS.register("euler")
def euler(denoiser: Denoiser, x: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    """First order, one evaluation a step (EDM algorithm 1 without lines 6 to 8)."""
    for sigma, following in _pairs(sigmas):
        slope = (x - _call(denoiser, x, sigma)) / sigma
        x = x + (following - sigma) * slope
    return x


@SAMPLERS.register("heun")
def heun(denoiser: Denoiser, x: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    """Second order, two evaluations a step but one in the last (EDM algorithm 1)."""
    for sigma, following in _pairs(sigmas):
        slope = (x - _call(denoiser, x, sigma)) / sigma
        estimate = x + (following - sigma) * slope
        if following > 0:
            slope = (slope + (estimate - _call(denoiser, estimate, following)) / following) / 2
            estimate = x + (following - sigma) * slope
        x = estimate
    return x


@SAMPLERS.register("dpmpp_2m")
def dpmpp_2m(denoiser: Denoiser, x: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    """DPM-Solver++(2M), second order with one evaluation a step (Lu et al. 2022, algorithm 2)."""
    previous = previous_h = None
    for sigma, following in _pairs(sigmas):
        denoised = _call(denoiser, x, sigma)
        if following == 0:  # h is infinite: the exponential integrator ends on its data prediction
            return denoised
        h = torch.tensor(sigma / following).log().item()  # step in lambda = -ln sigma
        direction = denoised
        if previous is not None:
            r = previous_h / h
            direction = (1 + 1 / (2 * r)) * denoised - 1 / (2 * r) * previous
        x = (following / sigma) * x - torch.expm1(torch.tensor(-h)).item() * direction
        previous, previous_h = denoised, h
    return x


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    noise: torch.Tensor,
    steps: int = STEPS,
    sampler: str = "dpmpp_2m",
    *,
    sigma_min: float,
    sigma_max: float,
) -> torch.Tensor:
    """Latents from standard normal `noise` (batch, channels, frames).

    sigma_min, sigma_max: where training was, `EDM.sigma_min` and `EDM.sigma_max` of the model.

    Raises:
        UserError: an unknown sampler, or fewer than one step.
    """
    sigmas = karras_sigmas(steps, sigma_min, sigma_max)
    return SAMPLERS[sampler](denoiser, noise * sigma_max, sigmas)


def evaluations(sampler: str, steps: int) -> int:
    """How often a sampler calls the denoiser in so many steps, counted on a latent of one number."""
    calls = 0

    def denoiser(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return x

    SAMPLERS[sampler](denoiser, torch.zeros(1, 1, 1), karras_sigmas(steps))
    return calls


def guided(denoisers: Callable[..., Sequence[torch.Tensor]], weights: Sequence[float]) -> Denoiser:
    """Guidance with a weight of its own for each level, around any denoiser.

    D = D(all) + sum_k (w_k - 1) (D(all) - D(all but level k)): weight 1 leaves the level as it is, more
    exaggerates what the level says, 0 takes it away.

    denoisers: gives D(all) and, for each of `weights`, D with the null code in the place of its level.
    """

    def denoiser(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        denoised, *without = denoisers(x, sigma)
        pairs = zip(weights, without, strict=True)
        return denoised + sum((weight - 1) * (denoised - other) for weight, other in pairs)

    return denoiser


def _pairs(sigmas: torch.Tensor) -> zip:
    values = sigmas.tolist()
    return zip(values[:-1], values[1:], strict=True)


def _call(denoiser: Denoiser, x: torch.Tensor, sigma: float) -> torch.Tensor:
    return denoiser(x, x.new_full((x.shape[0],), sigma))
