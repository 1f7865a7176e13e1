"""Priors that are diffusion models of melodies. Timbres are drawn first, and known codes get no noise."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import torch

from msdae import limits
from msdae.diffusion.ddpm import DDPM, ERRORS, ancestral
from msdae.diffusion.edm import EDM
from msdae.diffusion.samplers import guided, sample
from msdae.errors import UserError
from msdae.limits import Choice, Range
from msdae.models.priors.base import Condition, Prior, Window, facts_of
from msdae.models.priors.grid import Grid, Timeline
from msdae.models.priors.settings import PriorSampling, WindowSize
from msdae.models.priors.timbres import Timbres

PROCESSES = ("edm", "linear", "cosine")  # EDM, and DDPM with either schedule
# Shares of the windows of a training step.
TIMBRE_ABSENT, CONTINUED, NO_TEXT = 0.1, 0.6, 0.2

Process = Annotated[str, Choice(PROCESSES)]
Mean = Annotated[float, Range(-10, 10)]
TextSize = Annotated[int, Range(0, 4096)]


@dataclass(frozen=True)
class DiffusionConfig:
    """The window and the diffusion process; each network adds its own sizes.

    window: latent frames that are drawn at once.
    index: whether the network is told where a window lies in its piece, and how long the piece is.
    process: "edm", or DDPM with a "linear" or a "cosine" schedule. error: DDPM's loss, "mse" or "mae".
    P_mean, P_std: mean and deviation of EDM's ln sigma in training.
    text: the size of a text's vector; 0: the prior reads no texts.
    patch: the window has to be a multiple of so many latent frames.
    """

    window: WindowSize = 128
    index: bool = True
    process: Process = "edm"
    error: Annotated[str, Choice(ERRORS)] = "mse"
    P_mean: Mean = 0.0
    P_std: Annotated[float, Range(0, 10, above=True)] = 1.2
    text: TextSize = 384
    patch: ClassVar[int] = 1

    def __post_init__(self):
        limits.check(self)
        if self.window % self.patch:
            raise UserError(f"window {self.window}: give a multiple of {self.patch}, the patch")


class DiffusionPrior(Prior):
    """EDM or DDPM over windows, by any network.

    For each frame the network reads the codes, which are noisy where they are to be drawn, clean where they
    are known and zero where they are absent, and two flags a level that say which is the case. It is also
    told the window's place.
    """

    def __init__(self, config: Any, grid: Grid, model: str, provenance: dict[str, Any] | None = None):
        super().__init__(config, grid, model, provenance)
        self.edm = EDM(1.0, config.P_mean, config.P_std)
        schedule = config.process if config.process != "edm" else "linear"
        self.ddpm = DDPM(schedule, config.error)
        self.timbres = Timbres(len(grid.timbre), config.text)

    @property
    def inputs(self) -> int:
        """How many channels of a frame the network reads."""
        return self.grid.channels + 2 * len(self.grid.levels)

    def network(
        self, x: torch.Tensor, c_noise: torch.Tensor, facts: torch.Tensor, text: torch.Tensor | None
    ) -> torch.Tensor:
        """x: (batch, inputs, frames), c_noise: (batch,), facts: (batch, FACTS), text: (batch, numbers)
        -> (batch, channels, frames)"""
        raise NotImplementedError

    # -- training

    def fit(self, codes: Timeline, texts: torch.Tensor | None = None) -> None:
        super().fit(codes)
        x = self.standardised(self.grid.spread(codes, self.config.window))
        self.timbres.fit(x[:, self.grid.timbre, 0], texts)

    def loss(self, codes: Timeline, condition: Condition, draws: Any) -> torch.Tensor:
        frames = self.config.window
        y = self.standardised(self.grid.spread(codes, frames))
        level, chance = draws.normal(), draws.uniform()
        shapes = self.grid.shapes(frames)
        noise = self.grid.spread({k: draws.normal(*shape) for k, shape in enumerate(shapes, 1)}, frames)
        known, absent = self._masks(frames, draws)
        facts = facts_of(condition.start, condition.length, frames)
        text = condition.text
        if text is not None:
            text = torch.where(draws.uniform(1) < NO_TEXT, 0.0, text)
        weight = self.grid.by_channel((~known & ~absent).float())
        weight = weight / weight.mean(dim=(1, 2), keepdim=True)
        network = partial(self._masked, y=y, known=known, absent=absent, facts=facts, text=text)
        if self.config.process == "edm":
            sigma = self.edm.sigmas(level)
            return self.edm.loss(network, y, sigma[:, None, None] * noise, sigma, weight)
        return self.ddpm.loss(network, y, noise, chance, weight)

    def _masks(self, frames: int, draws: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Which codes of training windows are known, and which absent: (batch, levels, frames) bool each."""
        timbre, continued, share = draws.uniform(3).unbind(1)
        pooled = torch.tensor([not level.frames for level in self.grid.levels], device=timbre.device)
        steps = frames // self.grid.step
        kept = (1 + (share * (steps - 1)).long()).clamp(max=steps - 1) * self.grid.step
        kept = torch.where(continued < CONTINUED, kept, 0)
        begun = torch.arange(frames, device=timbre.device) < kept[:, None]  # (batch, frames)
        absent = (pooled & (timbre < TIMBRE_ABSENT)[:, None])[:, :, None].expand(-1, -1, frames)
        return torch.where(pooled[:, None], ~absent, begun[:, None]), absent

    def _masked(
        self,
        x: torch.Tensor,
        c_noise: torch.Tensor,
        y: torch.Tensor,
        known: torch.Tensor,
        absent: torch.Tensor,
        facts: torch.Tensor,
        text: torch.Tensor | None,
    ) -> torch.Tensor:
        """The network's output for x with the known codes put in, projected to what codes can be."""
        x = torch.where(self.grid.by_channel(known), y, x) * ~self.grid.by_channel(absent)
        x = torch.cat([x, known.to(x), absent.to(x)], dim=1)
        facts = facts if self.config.index else torch.zeros_like(facts)
        return self.grid.project(self.network(x, c_noise, facts, text))

    # -- use

    def timbre(
        self, text: torch.Tensor | None, count: int, generator: torch.Generator, sampling: PriorSampling
    ) -> Timeline:
        if not self.grid.pooled:
            return {}
        x = self.mean.new_zeros(count, self.grid.channels, 1)
        x[:, self.grid.timbre, 0] = self.timbres.draw(count, text, sampling.prior_guidance[-1], generator)
        parts = self.restored(x).split([level.channels for level in self.grid.levels], dim=1)
        return {level: parts[level - 1] for level in self.grid.pooled}

    def _window(self, window: Window, generator: torch.Generator, sampling: PriorSampling) -> torch.Tensor:
        denoiser = self._guided(window, sampling)
        shapes, frames = self.grid.shapes(window.y.shape[-1]), window.y.shape[-1]

        def normal() -> torch.Tensor:
            drawn = {
                k: torch.randn(len(window.y), *shape, generator=generator)
                for k, shape in enumerate(shapes, 1)
            }
            return self.grid.spread(drawn, frames).to(window.y)

        if self.config.process == "edm":
            sigmas = {"sigma_min": self.edm.sigma_min, "sigma_max": self.edm.sigma_max}
            x = sample(denoiser, normal(), sampling.prior_steps, **sigmas)
        else:
            sigmas = self.ddpm.sigmas(sampling.prior_steps)
            x = ancestral(denoiser, sigmas[0].float() * normal(), sigmas, normal)
        return torch.where(self.grid.by_channel(window.known), window.y, x)

    def _guided(self, window: Window, sampling: PriorSampling) -> Callable:
        """The denoiser of a window, guided by a weight for each condition that is given."""
        process = self.edm if self.config.process == "edm" else self.ddpm
        keep = self.grid.by_channel(window.known)
        none = torch.zeros_like(window.known)

        def denoise(x: torch.Tensor, sigma: torch.Tensor, absent: torch.Tensor, text: Any) -> torch.Tensor:
            network = partial(self._masked, y=window.y, known=window.known & ~absent, absent=absent)
            network = partial(network, facts=window.facts, text=text)
            return torch.where(keep, window.y, process.denoise(network, x, sigma))

        weights, variants = [], []
        rows, (weight, text_weight) = [level - 1 for level in self.grid.pooled], sampling.prior_guidance
        if window.known[:, rows].any() and weight != 1:
            absent = none.clone()
            absent[:, rows] = True
            weights.append(weight)
            variants.append((absent, window.text))
        if window.text is not None and window.text.any() and text_weight != 1:
            weights.append(text_weight)
            variants.append((none, torch.zeros_like(window.text)))
        if not weights:
            return lambda x, sigma: denoise(x, sigma, none, window.text)
        every = [(none, window.text), *variants]
        return guided(lambda x, sigma: [denoise(x, sigma, *one) for one in every], weights)
