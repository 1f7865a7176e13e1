"""EDM: preconditioning, noise levels and loss (Karras et al. 2022, "Elucidating the design space").

Names and equation numbers are the paper's.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

RANGE = 2.5  # standard deviations of ln sigma: 99 % of the noise levels in training lie within
LOUDEST = 20.0  # sampling starts from at least so much noise, in deviations of the latents: it drowns them


@dataclass(frozen=True)
class EDM:
    """Table 1, column "Ours".

    sigma_data: standard deviation of the latents of the codec in use, measured.
    P_mean, P_std: of ln sigma in training.
    """

    sigma_data: float
    P_mean: float = -1.2
    P_std: float = 1.2

    @property
    def sigma_min(self) -> float:
        """Noise level of the last sampling step; training rarely went below it."""
        return math.exp(self.P_mean - RANGE * self.P_std)

    @property
    def sigma_max(self) -> float:
        """Noise level from which sampling starts."""
        return max(LOUDEST * self.sigma_data, math.exp(self.P_mean + RANGE * self.P_std))

    def scalings(self, sigma: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """sigma: (batch,) -> c_skip, c_out, c_in (batch, 1, 1) and c_noise (batch,)"""
        s, sd = sigma[:, None, None], self.sigma_data
        total = (s**2 + sd**2).sqrt()
        return sd**2 / total**2, s * sd / total, 1 / total, sigma.log() / 4

    def sigmas(self, normal: torch.Tensor) -> torch.Tensor:
        """Training noise levels from standard normal draws: ln sigma ~ N(P_mean, P_std^2)."""
        return (normal * self.P_std + self.P_mean).exp()

    def denoise(self, F: Callable, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """Eq. 7: D(x; sigma) = c_skip x + c_out F(c_in x; c_noise). x: (batch, channels, frames)"""
        c_skip, c_out, c_in, c_noise = self.scalings(sigma)
        return c_skip * x + c_out * F(c_in * x, c_noise).to(x.dtype)

    def loss(
        self,
        F: Callable,
        y: torch.Tensor,
        n: torch.Tensor,
        sigma: torch.Tensor,
        weight: torch.Tensor | float = 1.0,
    ) -> torch.Tensor:
        """Eq. 8, per item: |F(c_in (y + n); c_noise) - (y - c_skip (y + n)) / c_out|^2.

        In the network's target space the weight lambda(sigma) = 1 / c_out^2 becomes exactly 1.

        y: clean latents (batch, channels, frames); n: sigma times standard normal noise -> (batch,)
        weight: of each value, as y; 0 leaves it out.
        """
        c_skip, c_out, c_in, c_noise = self.scalings(sigma)
        target = (y - c_skip * (y + n)) / c_out
        return (weight * (F(c_in * (y + n), c_noise).float() - target).square()).mean(dim=(1, 2))
