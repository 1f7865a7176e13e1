"""A 1D U-Net over windows of six seconds that knows which window it is at.

After C. El Haddad, "VIP Week 2" (September 2025) and "Context-Aware Generative Audio Model for Maqam Music".
"""

from dataclasses import dataclass
from typing import Any

import torch

from msdae.models.config import Widths
from msdae.models.priors.base import FACTS
from msdae.models.priors.diffusion import DiffusionConfig, DiffusionPrior, TextSize
from msdae.models.priors.grid import Grid
from msdae.models.priors.registry import PRIORS
from msdae.models.priors.settings import WindowSize
from msdae.nn.unet import UNet


@dataclass(frozen=True)
class UNetConfig(DiffusionConfig):
    """Sizes of the U-Net; see `DiffusionConfig` for the others.

    widths: features at the depths, outermost first.
    """

    window: WindowSize = 64
    widths: Widths = (32, 64, 128, 256, 512)
    text: TextSize = 0


@PRIORS.register("unet")
class UNetPrior(DiffusionPrior):
    """The denoiser's U-Net; the window's place is given to it as further channels."""

    kind, Config = "unet", UNetConfig
    schedule = {"learning_rate": 5e-4, "batch_size": 64, "steps": 3000}

    def __init__(self, config: UNetConfig, grid: Grid, model: str, provenance: dict[str, Any] | None = None):
        super().__init__(config, grid, model, provenance)
        texts = (config.text,) if config.text else ()
        depths = (len(config.widths) - 1,) * len(texts)
        channels = self.inputs + FACTS
        self.unet = UNet(channels, config.widths, texts, depths, (True,) * len(texts))

    def network(
        self, x: torch.Tensor, c_noise: torch.Tensor, facts: torch.Tensor, text: torch.Tensor | None
    ) -> torch.Tensor:
        x = torch.cat([x, facts[:, :, None].expand(-1, -1, x.shape[-1])], dim=1)
        texts = [] if text is None else [text[:, :, None]]
        return self.unet(x, c_noise, texts)[:, : self.grid.channels]
