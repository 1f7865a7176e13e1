"""Distillation: a student solves its teacher's ODE in few evaluations, segment by segment.

A segment goes from one noise level to a lower one. A denoiser's estimate is an average over all latents that
the noise may hide. The student's is the one by which a single Euler step lands where the teacher's many steps
land; down to noise level 0 it is the teacher's result itself. The teacher's sampler and guidance are part of
what the student learns, so that a step costs one evaluation.

Sources: Meng et al. 2023, "On distillation of guided diffusion models" (guidance as an input); Kim et al.
2024, "Consistency trajectory models" (any segment); Novack et al. 2025, "Fast text-to-audio generation with
adversarial post-training" (regression on trajectories that are kept).
"""

from collections.abc import Sequence

import torch

from msdae.diffusion.samplers import Denoiser, sample


def trajectory(
    denoiser: Denoiser, noise: torch.Tensor, steps: int, *, sigma_min: float, sigma_max: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The teacher's way from standard normal `noise` (batch, channels, frames) to latents.

    Returns the points x at each noise level of `karras_sigmas`, (batch, steps + 1, channels, frames), and the
    denoiser's estimates at all of them but the last, (batch, steps, channels, frames).
    """
    points: list[torch.Tensor] = []
    estimates: list[torch.Tensor] = []

    def noted(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        points.append(x)
        estimates.append(denoiser(x, sigma))
        return estimates[-1]

    end = sample(noted, noise, steps, "dpmpp_2m", sigma_min=sigma_min, sigma_max=sigma_max)
    return torch.stack([*points, end], dim=1), torch.stack(estimates, dim=1)


def places(points: int, steps: int) -> list[int]:
    """Where `steps` segments of a trajectory of `points` steps begin, and where the last ends."""
    return [round(step * points / steps) for step in range(steps + 1)]


def chord(x: torch.Tensor, sigma: torch.Tensor, later: torch.Tensor, following: torch.Tensor) -> torch.Tensor:
    """The estimate by which an Euler step from `x` at `sigma` lands on `later` at `following`.

    x, later: (batch, channels, frames); sigma, following: (batch,), `following` the lower one.
    """
    sigma, following = sigma[:, None, None], following[:, None, None]
    return x - sigma * (later - x) / (following - sigma)


def below(sigmas: Sequence[float], sigma: float) -> float:
    """The noise level that follows `sigma` in the decreasing `sigmas`."""
    return next(level for level in sigmas if level < sigma * (1 - 1e-6))
