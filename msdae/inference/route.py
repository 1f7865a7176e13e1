"""How latents are sampled: by the model itself, or in few steps by its student."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
import torch.nn as nn

from msdae.diffusion import SAMPLERS, STEPS
from msdae.diffusion.samplers import Denoiser, evaluations, karras_sigmas
from msdae.inference.settings import FEW, Sampling
from msdae.models.autoencoder import Autoencoder
from msdae.models.student import Student


class Route(NamedTuple):
    """How latents are sampled.

    sigmas: noise levels, decreasing to 0. sampler: its name. denoiser: (codes, tokens=) -> f(x, sigma).
    unet: returns the denoiser's network. antithetic: share of latents from opposite noise (`Sampling`).
    """

    sigmas: torch.Tensor
    sampler: str
    denoiser: Callable
    unet: Callable[[], nn.Module]
    antithetic: float = 0.0

    @property
    def evaluations(self) -> int:
        """How often `solve` evaluates the denoiser."""
        times = 2 if self.antithetic else 1
        return times * evaluations(self.sampler, len(self.sigmas) - 1)

    def for_learnt_sound(self) -> "Route":
        """This route with half the share of opposite noise: averaging two samples costs a learnt sound some
        of its timbre."""
        return self._replace(antithetic=self.antithetic / 2)

    def below(self, sigma: float) -> "Route":
        """The part of this route that begins at the noise level `sigma`."""
        rest = self.sigmas[self.sigmas < sigma]
        return self._replace(sigmas=torch.cat([rest.new_tensor([sigma]), rest]))

    def solve(
        self, denoiser: Denoiser, noise: torch.Tensor, begin: torch.Tensor | float = 0.0
    ) -> torch.Tensor:
        """Latents from standard normal `noise`, both (batch, channels, frames).

        denoiser: built from the denoiser of this route. begin: latents to which the noise is added.
        """
        sampler, scaled = SAMPLERS[self.sampler], noise * self.sigmas[0].item()
        z = sampler(denoiser, begin + scaled, self.sigmas)
        if not self.antithetic:
            return z
        return z.lerp(sampler(denoiser, begin - scaled, self.sigmas), self.antithetic)


def route(model: Autoencoder, sampling: Sampling, student: Student | None) -> Route:
    """The route of the student, if there is one that has learnt these steps and guidance, or of the model.

    Raises:
        UserError: guidance is for other levels; without a student, the route's denoiser raises this.
    """
    edm, few = model.edm, sampling.steps or FEW
    if student is not None and student.knows(weights := model.guidance_weights(sampling.guidance), few):
        sigmas = student.sigmas(model, few)
        denoiser = partial(student.denoiser, model, sigmas.tolist(), weights)
        return Route(sigmas, student.sampler, denoiser, lambda: student.unet(model), sampling.antithetic)
    sigmas = karras_sigmas(sampling.steps or STEPS, edm.sigma_min, edm.sigma_max)
    denoiser = partial(model.denoiser, guidance=sampling.guidance)
    sampler = sampling.sampler or "dpmpp_2m"
    return Route(sigmas, sampler, denoiser, lambda: model.unet, sampling.antithetic)
