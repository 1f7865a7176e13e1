"""The log-mel spectrogram and its pyramid of coarser versions (thesis, eq. 39)."""

import math
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from nnAudio.librosa_functions import get_mel  # nnAudio's other modules import scipy, which takes a second

from msdae import limits
from msdae.errors import UserError
from msdae.limits import Range

RATE = Range(1000, 768_000, reason="no recording has more")
N_FFT = Range(16, 2**16, reason="a window of seconds")
BANDS = Range(1, 1024, reason="narrower ones than an FFT has bins")
HOP = Range(1, 2**16, reason="a hop of seconds")
GAIN = Range(0, 1e6, above=True)
HALVINGS = 2  # from the finest of the three mels to the coarsest


@dataclass(frozen=True)
class MelConfig:
    """Settings of the finest log-mel, x3; a cache that was made with other settings is refused."""

    sample_rate: Annotated[int, RATE] = 44100
    n_fft: Annotated[int, N_FFT] = 2048
    hop: Annotated[int, HOP] = 256
    bands: Annotated[int, BANDS] = 128
    # of log1p(gain * mel); lifts quiet partials above the linear part of log1p
    gain: Annotated[float, GAIN] = 10.0

    def __post_init__(self):
        limits.check(self)

    def fitted(self, sample_rate: int, hop: int) -> "MelConfig":
        """These settings, adapted to a codec so that each of its latent frames has whole mel frames.

        The window keeps about its length in seconds. The mel's hop is kept if it fits; otherwise it is `hop`
        divided by a power of two, and a latent frame has at least one frame of the coarsest mel.

        sample_rate, hop: those of the codec, in Hz and in samples per latent frame.

        Raises:
            UserError: `hop` is not a multiple of 2 ** HALVINGS.
        """
        coarsest, n_fft = 2**HALVINGS, self.n_fft
        if hop % coarsest:
            raise UserError(f"a codec hop of {hop} samples is no multiple of {coarsest}; use another codec")
        if sample_rate != self.sample_rate:
            n_fft = 2 ** round(math.log2(self.n_fft * sample_rate / self.sample_rate))
        fraction = self.hop if hop % (self.hop * coarsest) == 0 else hop // coarsest
        while fraction > self.hop and fraction % 2 == 0:
            fraction //= 2
        return replace(self, sample_rate=sample_rate, n_fft=n_fft, hop=fraction)


class LogMel(nn.Module):
    """The log-mel spectrogram log1p(gain * mel magnitude), with nnAudio's mel filters.

    nnAudio convolves with sinusoids; an FFT gives the same result (tested) in a ninth of the time on a CPU.
    """

    def __init__(self, config: MelConfig = MelConfig()):
        super().__init__()
        self.config = config
        self.register_buffer("filters", torch.from_numpy(_mel_filters(config)), persistent=False)
        self.register_buffer("window", torch.hann_window(config.n_fft), persistent=False)

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        """waveform: (batch, samples), samples > n_fft / 2 -> (batch, bands, samples // hop), >= 0.

        Raises:
            UserError: the waveform is too short for reflection padding.
        """
        samples = waveform.shape[-1]
        if samples <= self.config.n_fft // 2:
            raise UserError(f"a waveform of {samples} samples is shorter than half an FFT window")
        spectrum = torch.stft(
            waveform, self.config.n_fft, self.config.hop, window=self.window, return_complex=True
        )
        # The centred transform gives one frame more than there are hops; it belongs to the next clip.
        spectrum = spectrum[..., : samples // self.config.hop]
        power = spectrum.real.square() + spectrum.imag.square()  # abs() takes four times as long as this
        return torch.log1p(self.config.gain * (self.filters @ power.sqrt()))


def _mel_filters(config: MelConfig) -> np.ndarray:
    """Triangular filters that peak at 1: (bands, n_fft // 2 + 1)"""
    return get_mel(config.sample_rate, config.n_fft, config.bands, norm=None)


def scale(mel: torch.Tensor, halvings: int) -> torch.Tensor:
    """The coarser log-mel x_(3 - halvings) of eq. 39: x3, averaged `halvings` times over blocks of 2 x 2.

    mel: x3, (batch, bands, frames); bands and frames must be divisible by 2 ** halvings.
    """
    return F.avg_pool2d(mel, 2**halvings) if halvings else mel
