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
HALVINGS = 2  # from the finest mel to the coarsest of three


@dataclass(frozen=True)
class MelConfig:
    """Settings of the finest log-mel, x3; a cache made with others is refused."""

    sample_rate: Annotated[int, RATE] = 44100
    n_fft: Annotated[int, N_FFT] = 2048
    hop: Annotated[int, HOP] = 256
    bands: Annotated[int, BANDS] = 128
    # log1p(gain * mel): places quiet partials above the linear part of log1p
    gain: Annotated[float, GAIN] = 10.0

    def __post_init__(self):
        limits.check(self)

    def fitted(self, sample_rate: int, hop: int) -> "MelConfig":
        """These settings for a codec of another rate or hop: whole mel frames in each of its latent frames.

        The window keeps its length in seconds, about. The mel's hop is kept where it fits; else it is the
        largest below it that is the codec's `hop` divided by a power of two, with at least one frame of the
        coarsest mel in a latent frame.

        Raises:
            UserError: the codec's hop cannot be halved so often.
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
    """log1p of the gained mel magnitude, on the device of the module: nnAudio's, by FFT.

    nnAudio convolves with sinusoids; on a CPU an FFT gives the same (tested) in a ninth of the time.
    """

    def __init__(self, config: MelConfig = MelConfig()):
        super().__init__()
        self.config = config
        self.register_buffer("filters", torch.from_numpy(_mel_filters(config)), persistent=False)
        self.register_buffer("window", torch.hann_window(config.n_fft), persistent=False)

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        """waveform: (batch, samples), samples > n_fft / 2 -> (batch, bands, samples // hop), >= 0.

        Raises:
            UserError: the waveform is too short to be padded by reflection.
        """
        samples = waveform.shape[-1]
        if samples <= self.config.n_fft // 2:
            raise UserError(f"a waveform of {samples} samples is shorter than half an FFT window")
        spectrum = torch.stft(
            waveform, self.config.n_fft, self.config.hop, window=self.window, return_complex=True
        )
        # The centred transform gives one frame more than there are hops; it belongs to the next clip.
        spectrum = spectrum[..., : samples // self.config.hop]
        power = spectrum.real.square() + spectrum.imag.square()  # abs() takes four times as long
        return torch.log1p(self.config.gain * (self.filters @ power.sqrt()))


def _mel_filters(config: MelConfig) -> np.ndarray:
    """(bands, n_fft // 2 + 1), triangles that peak at 1."""
    return get_mel(config.sample_rate, config.n_fft, config.bands, norm=None)


def scale(mel: torch.Tensor, halvings: int) -> torch.Tensor:
    """Eq. 39: x_(3 - halvings), x3 averaged over blocks of 2 x 2 so often.

    mel: x3, (batch, bands, frames), both divisible by 2 ** halvings.
    """
    return F.avg_pool2d(mel, 2**halvings) if halvings else mel
