"""The log-mel spectrogram and its pyramid of coarser versions (thesis, eq. 39)."""

from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from nnAudio.features.mel import MelSpectrogram

from msdae.errors import UserError


@dataclass(frozen=True)
class MelConfig:
    """Settings of the finest log-mel, x3; a cache made with others is refused."""

    sample_rate: int = 44100
    n_fft: int = 2048
    hop: int = 256
    bands: int = 128
    gain: float = 10.0  # log1p(gain * mel): places quiet partials above the linear part of log1p


class LogMel(nn.Module):
    """log1p of the gained mel magnitude, computed by nnAudio on the device of the module."""

    def __init__(self, config: MelConfig = MelConfig()):
        super().__init__()
        self.config = config
        self.mel = MelSpectrogram(
            sr=config.sample_rate,
            n_fft=config.n_fft,
            n_mels=config.bands,
            hop_length=config.hop,
            power=1.0,
            norm=None,
            verbose=False,
        )

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        """waveform: (batch, samples), samples > n_fft / 2 -> (batch, bands, samples // hop), >= 0.

        Raises:
            UserError: the waveform is too short to be padded by reflection.
        """
        samples = waveform.shape[-1]
        if samples <= self.config.n_fft // 2:
            raise UserError(f"a waveform of {samples} samples is shorter than half an FFT window")
        # The centred transform gives one frame more than there are hops; it belongs to the next clip.
        mel = self.mel(waveform)[..., : samples // self.config.hop]
        return torch.log1p(self.config.gain * mel)


def scale(mel: torch.Tensor, halvings: int) -> torch.Tensor:
    """Eq. 39: x_(3 - halvings), x3 averaged over blocks of 2 x 2 so often.

    mel: x3, (batch, bands, frames), both divisible by 2 ** halvings.
    """
    return F.avg_pool2d(mel, 2**halvings) if halvings else mel
