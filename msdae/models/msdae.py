"""The multi-scale spectral diffusion autoencoder: encoders over a pyramid of log-mels."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn as nn

from msdae.audio.mel import scale
from msdae.errors import UserError
from msdae.models.autoencoder import Autoencoder
from msdae.models.config import ModelConfig
from msdae.models.registry import MODELS
from msdae.nn.encoders import MelEncoder, PatchEncoder
from msdae.nn.tokens import TokenEncoder

POOLED_PATCH = 4  # mel frames that a pooled code's patch encoder takes at once


@MODELS.register("msdae")
class MSDAE(Autoencoder):
    """Encoders over a mel pyramid; codes are summed over levels, so that each level adds what is new in it.

    "patch" encoders are one 2D conv over all bands of a few frames, followed by 1D convs. "conv" encoders,
    the thesis's, are 2D convs throughout.
    """

    kind, needs_mel, residual = "msdae", True, True

    def __init__(self, config: ModelConfig, stage: int = 3, provenance: dict[str, Any] | None = None):
        super().__init__(config, stage, provenance)
        levels = len(config.inject)
        if config.codec.hop % (config.mel.hop * 2 ** (levels - 1)):
            raise UserError(f"a codec hop of {config.codec.hop} is no multiple of the coarsest mel hop")
        self.encoders = nn.ModuleList(self._encoder(level, levels) for level in range(stage))
        if self.token_channels:
            mean, std = self._bands(config.mel.bands)
            sizes = config.token_hidden, config.token_frames, config.tokens
            self.token_encoder = TokenEncoder(mean, std, *sizes)

    def _encoder(self, level: int, levels: int) -> nn.Module:
        c, pooled = self.config, self.pooled[level]
        coarser = levels - 1 - level  # halvings between this level's mel and the finest
        bands, channels = c.mel.bands >> coarser, c.code_channels[level]
        per_code = (c.codec.hop // c.mel.hop >> coarser) << c.inject[level]  # mel frames of a code frame
        patches = c.encoder == "patch"
        fits = per_code % PatchEncoder.slices == 0 if patches else per_code > 1 and per_code.bit_count() == 1
        if not (pooled or fits):
            possible = f"a multiple of {PatchEncoder.slices}" if patches else "a power of two from 2 on"
            raise UserError(
                f"inject {c.inject}: a code frame of level {level + 1} would be {per_code} mel frames, which "
                f"encoder {c.encoder} cannot make; they have to be {possible}: change its depth or mel.hop"
            )
        if patches:
            patch, around = POOLED_PATCH if pooled else per_code, 0 if coarser or pooled else c.around
            return PatchEncoder(*self._bands(bands), c.hidden, patch, channels, pooled, c.heads, around)
        halvings = per_code.bit_length() - 1
        if pooled:
            halvings = len(c.encoder_widths)  # enough frames are left to average over
        return MelEncoder(bands, c.encoder_widths, halvings, channels, pooled)

    def _bands(self, bands: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation of the mel of a level that has so many bands, (bands,) each."""
        c = self.config
        given = (c.bands.mean or (0.0,) * c.mel.bands, c.bands.std or (1.0,) * c.mel.bands)
        numbers = (torch.tensor(values, device="cpu").view(bands, -1).mean(dim=1) for values in given)
        mean, std = (x.to(torch.get_default_device()) for x in numbers)
        return mean, std

    def encode(
        self, z: torch.Tensor | None, mel: torch.Tensor | Sequence[torch.Tensor] | None
    ) -> list[torch.Tensor]:
        views = [mel] * self.stage if isinstance(mel, torch.Tensor) else list(mel)[: self.stage]
        return [self.encode_level(level, view) for level, view in enumerate(views)]

    def encode_level(self, level: int, mel: torch.Tensor) -> torch.Tensor:
        """The code of one level, counted from 0. mel: x3 -> (batch, code_channels, code frames)"""
        return self.encoders[level](scale(mel, len(self.config.inject) - 1 - level))

    def trainable(self) -> list[nn.Module]:
        return [self.encoders[self.stage - 1], *self.denoising()]

    def compiled(self) -> list[nn.Module]:
        return [*super().compiled(), *self.encoders]
