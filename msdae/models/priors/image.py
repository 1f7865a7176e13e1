"""A 2D U-Net over log-mels as images, with attention, by diffusers.

After V. Bhole, S. K. Inagadappa and R. Ankoshkar, "Breaking the fourth wall: a text conditioned generative
model for audio" (undated).
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch

from msdae.errors import UserError, required
from msdae.limits import Range, Size
from msdae.models.priors.base import FACTS
from msdae.models.priors.diffusion import DiffusionConfig, DiffusionPrior, Mean, Process
from msdae.models.priors.grid import Grid
from msdae.models.priors.registry import PRIORS
from msdae.models.priors.settings import WindowSize

GROUPS = 8  # of features that are normalised together
HEAD = 32  # features of a head of attention


@dataclass(frozen=True)
class ImageConfig(DiffusionConfig):
    """Sizes of the U-Net, whose features attend to the text; see `DiffusionConfig` for the others.

    window: frames of an image, which is halved twice. channels: of its three depths.
    layers: residual blocks of each.
    """

    window: WindowSize = 200
    channels: Annotated[tuple[Annotated[int, Range(8, 1024)], ...], Size(3, 3)] = (64, 128, 256)
    layers: Annotated[int, Range(1, 8)] = 1
    index: bool = False
    process: Process = "cosine"
    P_mean: Mean = -0.4
    patch: ClassVar[int] = 4  # the image is halved twice

    def __post_init__(self):
        super().__post_init__()
        if any(width % GROUPS for width in self.channels):
            raise UserError(f"channels {self.channels}: give multiples of {GROUPS}")


@PRIORS.register("image")
class ImagePrior(DiffusionPrior):
    """The channels of codes, such as the bands of log-mels, are the rows of an image."""

    kind, Config = "image", ImageConfig
    schedule = {"learning_rate": 2e-4, "batch_size": 8, "steps": 3000}

    def __init__(self, config: ImageConfig, grid: Grid, model: str, provenance: dict[str, Any] | None = None):
        super().__init__(config, grid, model, provenance)
        if grid.channels % config.patch:
            raise UserError(f"an image of {grid.channels} rows cannot be halved twice; give another space")
        kinds = ("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D")
        diffusers = required("diffusers", "the prior image needs diffusers: pip install 'msdae[composers]'")
        self.unet = diffusers.UNet2DConditionModel(
            sample_size=(grid.channels, config.window),
            in_channels=1 + 2 * len(grid.levels) + FACTS,
            out_channels=1,
            down_block_types=kinds,
            up_block_types=tuple(kind.replace("Down", "Up") for kind in reversed(kinds)),
            block_out_channels=config.channels,
            layers_per_block=config.layers,
            norm_num_groups=GROUPS,
            cross_attention_dim=config.text or 1,
            attention_head_dim=max(1, config.channels[-1] // HEAD),  # which is how many heads
        )

    def _standard(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One shift and one factor for all rows, as for images: values get the range to which DDPM clips."""
        low, high = rows.aminmax()
        scale, same = (high - low) / (2 * self.ddpm.clip), torch.eye(len(rows)).to(rows)
        return ((low + high) / 2).expand(len(rows), 1), same / scale, same * scale

    def network(
        self, x: torch.Tensor, c_noise: torch.Tensor, facts: torch.Tensor, text: torch.Tensor | None
    ) -> torch.Tensor:
        rows, frames = self.grid.channels, x.shape[-1]
        wide = torch.cat([x[:, rows:], facts[:, :, None].expand(-1, -1, frames)], dim=1)
        image = torch.cat([x[:, None, :rows], wide[:, :, None].expand(-1, -1, rows, -1)], dim=1)
        said = x.new_zeros(len(x), 1, 1) if text is None else text[:, None]
        time = 250 * (c_noise + 2)  # c_noise, from -2 to 2, as diffusers' time steps, 0 to 1000
        return self.unet(image, time, said).sample[:, 0]
