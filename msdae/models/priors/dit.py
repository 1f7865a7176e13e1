"""A diffusion transformer over codes, the prior that ships."""

from dataclasses import dataclass
from typing import Annotated, Any

import torch

from msdae import limits
from msdae.diffusion.ddpm import ERRORS
from msdae.errors import UserError
from msdae.limits import Choice, Range
from msdae.models.priors.base import FACTS
from msdae.models.priors.diffusion import PROCESSES, DiffusionPrior
from msdae.models.priors.grid import Grid
from msdae.models.priors.registry import PRIORS
from msdae.nn.transformer import DiT


@dataclass(frozen=True)
class DiTConfig:
    """Sizes of the transformer and the process.

    window: latent frames that are drawn at once. patch: latent frames of a token.
    width: of the features. layers, heads: of them.
    index: whether it is told where a window is in its piece, and how long that is.
    process: "edm", or DDPM with a "linear" or a "cosine" schedule. error: of DDPM, "mse" or "mae".
    P_mean, P_std: of EDM's ln sigma in training.
    text: numbers of a text's vector; 0: it reads none.
    """

    window: Annotated[int, Range(8, 4096, reason="more is more than a piece")] = 128
    patch: Annotated[int, Range(1, 64)] = 4
    width: Annotated[int, Range(8, 4096)] = 192
    layers: Annotated[int, Range(1, 64)] = 6
    heads: Annotated[int, Range(1, 64)] = 6
    index: bool = True
    process: Annotated[str, Choice(PROCESSES)] = "edm"
    error: Annotated[str, Choice(ERRORS)] = "mse"
    P_mean: Annotated[float, Range(-10, 10)] = 0.0
    P_std: Annotated[float, Range(0, 10, above=True)] = 1.2
    text: Annotated[int, Range(0, 4096)] = 384

    def __post_init__(self):
        limits.check(self)
        if self.width % (2 * self.heads):
            raise UserError(f"width {self.width}: give a multiple of {2 * self.heads}, twice the heads")
        if self.window % self.patch:
            raise UserError(f"window {self.window}: give a multiple of the patch, {self.patch}")


@PRIORS.register("dit")
class DiTPrior(DiffusionPrior):
    """Attention over a window's patches of codes."""

    kind, Config = "dit", DiTConfig
    schedule = {"learning_rate": 6e-4, "batch_size": 64, "steps": 3000}

    def __init__(self, config: DiTConfig, grid: Grid, model: str, provenance: dict[str, Any] | None = None):
        super().__init__(config, grid, model, provenance)
        c = config
        self.dit = DiT(self.inputs, grid.channels, c.width, c.layers, c.heads, c.patch, FACTS, c.text)

    def network(
        self, x: torch.Tensor, c_noise: torch.Tensor, facts: torch.Tensor, text: torch.Tensor | None
    ) -> torch.Tensor:
        return self.dit(x, c_noise, facts, text)
