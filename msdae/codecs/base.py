"""What a codec is to everything above it."""

from abc import ABC, abstractmethod

import torch
import torch.nn as nn


class Codec(nn.Module, ABC):
    """Waveform to latents and back at a fixed rate; nothing above knows which codec it is.

    Attributes:
        name: the name that `msdae.codecs.load` takes.
        channels: channels of the latent.
        hop: samples per latent frame.
        sample_rate: in Hz.
        fingerprint: hash of settings and weights; caches and checkpoints made with another one
            are refused.
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
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """z: (batch, channels, frames) -> waveform: (batch, frames * hop)."""
