"""What a codec is to everything above it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

import torch
import torch.nn as nn

from msdae.codecs.chunks import CHUNK


class Codec(nn.Module, ABC):
    """Waveform to latents and back at a fixed rate; nothing above knows which codec it is.

    Attributes:
        name: the name that `msdae.codecs.load` takes.
        channels: channels of the latent.
        hop: samples per latent frame.
        sample_rate: in Hz.
        fingerprint: hash of the settings and weights that latents depend on; caches and checkpoints made with
            another one are refused.
    """

    name: str
    channels: int
    hop: int
    sample_rate: int
    fingerprint: str

    def frames(self, samples: int) -> int:
        """Latent frames of `samples` samples; the last one may be partly padding."""
        return -(-samples // self.hop)

    @abstractmethod
    def encode(self, waveform: torch.Tensor) -> torch.Tensor:
        """waveform: (batch, samples), mono, [-1, 1] -> z: (batch, channels, frames(samples))."""

    @abstractmethod
    def stream(self, latents: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Decode latents of any length as they come, in memory that does not grow.

        latents: blocks (batch, channels, any) of z, however cut -> blocks (batch, any) of the waveform, hop
            samples a frame.
        """

    @torch.no_grad()
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """z: (batch, channels, frames) -> waveform: (batch, frames * hop)."""
        together = max(1, CHUNK // max(1, z.shape[-1]))
        return torch.cat([torch.cat(list(self.stream([group])), dim=-1) for group in z.split(together)])
