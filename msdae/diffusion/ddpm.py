"""DDPM: a discrete schedule of noise, and a network that predicts the noise (Ho et al. 2020).

It is written in EDM's coordinates, x = y + sigma * noise, so that any sampler solves it: where the paper has
x_t = sqrt(abar_t) y + sqrt(1 - abar_t) noise, x = x_t / sqrt(abar_t) and sigma_t^2 = (1 - abar_t) / abar_t.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch

from msdae.diffusion.samplers import Denoiser
from msdae.errors import UserError

SCHEDULES = ("linear", "cosine")
ERRORS = ("mse", "mae")
STEPS = 1000  # of the schedule
LINEAR = (1e-4, 0.02)  # first and last beta
OFFSET, LARGEST = 0.008, 0.999  # the cosine schedule's offset s, and its largest beta


@dataclass(frozen=True)
class DDPM:
    """A schedule and a loss.

    schedule: "linear" (Ho et al. 2020) or "cosine" (Nichol and Dhariwal 2021, eq. 17).
    error: "mse", the paper's, or "mae".
    clip: estimates of clean samples are kept within plus and minus this value. For data of deviation 1 it is
        two, as for the paper's images; without it, a short training diverges at high noise levels.

    Raises:
        UserError: another schedule or error.
    """

    schedule: str = "linear"
    error: str = "mse"
    clip: float = 2.0

    def __post_init__(self):
        for name, value, values in (("schedule", self.schedule, SCHEDULES), ("error", self.error, ERRORS)):
            if value not in values:
                raise UserError(f"{name}: is {value}, expected one of {', '.join(values)}")

    @cached_property
    def betas(self) -> torch.Tensor:
        """Variance that each step adds, (STEPS,), float64."""
        if self.schedule == "linear":
            return torch.linspace(*LINEAR, STEPS, dtype=torch.float64)
        share = torch.arange(STEPS + 1, dtype=torch.float64) / STEPS
        kept = ((share + OFFSET) / (1 + OFFSET) * math.pi / 2).cos().square()
        return (1 - kept[1:] / kept[:-1]).clamp(max=LARGEST)

    @cached_property
    def noise_levels(self) -> torch.Tensor:
        """sigma_t of every step, increasing: (STEPS,), float64."""
        kept = (1 - self.betas).cumprod(dim=0)
        return ((1 - kept) / kept).sqrt()

    def sigmas(self, steps: int) -> torch.Tensor:
        """The noise levels of `steps` steps, spaced evenly from the schedule's last one down, and a final 0.

        Raises:
            UserError: fewer than one step, or more than the schedule has.
        """
        if not 1 <= steps <= STEPS:
            raise UserError(f"{steps} sampling steps: give 1 to {STEPS}, the steps of the schedule")
        places = torch.linspace(STEPS - 1, 0, steps, dtype=torch.float64).round().long()
        return torch.cat([self.noise_levels[places], torch.zeros(1, dtype=torch.float64)])

    def predicted(self, F: Callable, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """The noise that the network sees in x: (batch, channels, frames). sigma: (batch,).

        F is given x_t, of unit variance where y is, and ln(sigma) / 4, as EDM's networks are.
        """
        return F(x / (1 + sigma[:, None, None] ** 2).sqrt(), sigma.log() / 4).to(x.dtype)

    def denoise(self, F: Callable, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """D(x; sigma) = x - sigma * noise, within `clip`; shapes as `predicted`."""
        noise = self.predicted(F, x, sigma)
        return (x - sigma[:, None, None] * noise).clamp(-self.clip, self.clip)

    def loss(
        self,
        F: Callable,
        y: torch.Tensor,
        noise: torch.Tensor,
        uniform: torch.Tensor,
        weight: torch.Tensor | float = 1.0,
    ) -> torch.Tensor:
        """The error of the predicted noise, per item (Ho et al., eq. 14, or its absolute value).

        y: clean (batch, channels, frames); noise: standard normal, as y; uniform: (batch,), 0 to 1, chooses
        the step; weight: of each value, as y -> (batch,)
        """
        levels = self.noise_levels.to(y.dtype).to(y.device)[(uniform * STEPS).long().clamp(max=STEPS - 1)]
        wrong = self.predicted(F, y + levels[:, None, None] * noise, levels).float() - noise
        wrong = wrong.square() if self.error == "mse" else wrong.abs()
        return (weight * wrong).mean(dim=(1, 2))


def ancestral(
    denoiser: Denoiser, x: torch.Tensor, sigmas: torch.Tensor, normal: Callable[[], torch.Tensor]
) -> torch.Tensor:
    """DDPM's own sampler: each step draws from q(x_s | x_t, y) with y = D(x_t) (Ho et al., eq. 6 and 7).

    x: noise of deviation sigmas[0]. sigmas: decreasing, the last one 0, as from `DDPM.sigmas`; where they are
    fewer than the schedule's, a step takes several of its steps at once.
    normal: gives new standard normal noise, in the shape of x, at every call.
    """
    levels = sigmas.tolist()
    for sigma, following in zip(levels[:-1], levels[1:], strict=True):
        denoised = denoiser(x, x.new_full(x.shape[:1], sigma))
        if following == 0:
            return denoised
        share = (following / sigma) ** 2
        x = denoised + share * (x - denoised) + following * math.sqrt(1 - share) * normal()
    return x
