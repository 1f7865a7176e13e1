"""The sources' own prior: a 1D U-Net over windows of six seconds that knows which window it is at."""

from dataclasses import dataclass
from typing import Annotated, Any

import torch

from msdae import limits
from msdae.diffusion.ddpm import ERRORS
from msdae.limits import Choice, Range
from msdae.models.config import Widths
from msdae.models.priors.base import FACTS
from msdae.models.priors.diffusion import PROCESSES, DiffusionPrior
from msdae.models.priors.grid import Grid
from msdae.models.priors.registry import PRIORS
from msdae.nn.unet import UNet


@dataclass(frozen=True)
class UNetConfig:
    """Sizes of the U-Net and the process.

    window: latent frames that are drawn at once. widths: features at the depths, outermost first.
    index: whether it is told where a window is in its piece, and how long that is.
    process: "edm", or DDPM with a "linear" or a "cosine" schedule. error: of DDPM, "mse" or "mae".
    P_mean, P_std: of EDM's ln sigma in training.
    text: numbers of a text's vector; 0: it reads none.
    """

    window: Annotated[int, Range(8, 4096, reason="more is more than a piece")] = 64
    widths: Widths = (32, 64, 128, 256, 512)
    index: bool = True
    process: Annotated[str, Choice(PROCESSES)] = "edm"
    error: Annotated[str, Choice(ERRORS)] = "mse"
    P_mean: Annotated[float, Range(-10, 10)] = 0.0
    P_std: Annotated[float, Range(0, 10, above=True)] = 1.2
    text: Annotated[int, Range(0, 4096)] = 0

    def __post_init__(self):
        limits.check(self)


@PRIORS.register("unet")
class UNetPrior(DiffusionPrior):
    """The denoiser's U-Net; the window's place are further channels of its input and its output."""

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
