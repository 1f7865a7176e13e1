"""The baseline: the hierarchical diffusion autoencoder (Lu et al. 2023) on the codec's latents."""

from typing import Any

import torch
import torch.nn as nn

from msdae.errors import UserError
from msdae.models.autoencoder import Autoencoder
from msdae.models.config import ModelConfig
from msdae.models.registry import MODELS
from msdae.nn.encoders import LatentEncoder


@MODELS.register("hdae")
class HDAE(Autoencoder):
    """The baseline: one semantic encoder over the latent, a code at each of three depths, no sum."""

    kind, needs_mel, joint, residual = "hdae", False, True, False

    def __init__(self, config: ModelConfig, stage: int = 3, provenance: dict[str, Any] | None = None):
        super().__init__(config, len(config.inject), provenance)
        depths = tuple(range(1, len(config.inject) + 1))
        if config.inject != depths[::-1]:
            raise UserError(
                f"inject: the codes of HDAE are taken at depths {depths[::-1]}, got {config.inject}"
            )
        if len(config.encoder_widths) != len(config.inject):
            raise UserError(f"encoder_widths {config.encoder_widths}: give {len(config.inject)} for HDAE")
        self.encoder = LatentEncoder(config.codec.channels, config.encoder_widths, config.code_channels)

    def encode(self, z: torch.Tensor | None, mel: torch.Tensor | None) -> list[torch.Tensor]:
        return self.encoder(z - self.latent_mean)

    def trainable(self) -> list[nn.Module]:
        return [self.encoder, *self.denoising()]
