"""A diffusion transformer over codes, the prior that ships."""

from dataclasses import dataclass
from typing import Annotated, Any

import torch

from msdae.errors import UserError
from msdae.limits import Range
from msdae.models.priors.base import FACTS
from msdae.models.priors.diffusion import DiffusionConfig, DiffusionPrior
from msdae.models.priors.grid import Grid
from msdae.models.priors.registry import PRIORS
from msdae.nn.transformer import DiT


@dataclass(frozen=True)
class DiTConfig(DiffusionConfig):
    """Sizes of the transformer; see `DiffusionConfig` for the others.

    patch: latent frames of a token. width: of the features. layers, heads: of them.
    """

    patch: Annotated[int, Range(1, 64)] = 4
    width: Annotated[int, Range(8, 4096)] = 192
    layers: Annotated[int, Range(1, 64)] = 6
    heads: Annotated[int, Range(1, 64)] = 6

    def __post_init__(self):
        super().__post_init__()
        if self.width % (2 * self.heads):
            raise UserError(f"width {self.width}: give a multiple of {2 * self.heads}, twice the heads")


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
