"""Magnitude spectrograms of recordings of any length, and the mel filters of codecs."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F

from msdae import limits
from msdae.audio.mel import BANDS, HOP, N_FFT, RATE
from msdae.errors import UserError
from msdae.limits import Range


@dataclass(frozen=True)
class Transform:
    """Settings of a codec: an STFT, mel bands, and latent frames of `channels` for every `block` STFT frames.

    n_fft, hop: samples.
    """

    sample_rate: Annotated[int, RATE] = 44100
    n_fft: Annotated[int, N_FFT] = 2048
    hop: Annotated[int, HOP] = 512
    bands: Annotated[int, BANDS] = 128
    f_max: Annotated[float, Range(0, above=True)] = 16000.0  # Hz
    block: Annotated[int, Range(1, 256, reason="a latent frame of seconds")] = 8
    channels: Annotated[int, Range(1, 1024, reason="a latent is smaller than sound")] = 64

    def __post_init__(self):
        limits.check(self)
        if self.hop > self.n_fft:
            raise UserError(f"hop: is {self.hop}, expected at most n_fft, {self.n_fft}")
        if self.f_max > self.sample_rate / 2:
            raise UserError(f"f_max: is {self.f_max:g} Hz, expected at most half of sample_rate")


def pieces(
    waveform: torch.Tensor, config: Transform, window: torch.Tensor, chunk: int
) -> Iterator[torch.Tensor]:
    """Waveforms (batch, samples) -> magnitudes in pieces (batch, bins, frames), in order of time.

    Each piece has whole blocks of frames. Together they are exactly the centred transform of the whole
    waveform, padded with silence, in bounded memory.

    chunk: latent frames that are computed at once, summed over the batch.

    Raises:
        UserError: the waveform has no samples.
    """
    batch, samples = waveform.shape
    if samples == 0:
        raise UserError("a waveform without samples cannot be encoded; give at least one sample")
    hop, margin, before = config.hop * config.block, config.n_fft - config.hop, config.n_fft // 2
    frames, step = -(-samples // hop), max(1, chunk // batch)
    padded = F.pad(waveform, (before, frames * hop - samples + margin - before))
    for start in range(0, frames, step):
        part = padded[:, start * hop : min(start + step, frames) * hop + margin]
        spectrum = torch.stft(
            part, config.n_fft, config.hop, window=window, center=False, return_complex=True
        )
        yield spectrum.abs()


def mel_filters(config: Transform) -> torch.Tensor:
    """Triangular filters on the HTK mel scale, which is the finest where melodies lie: (bands, bins)

    A band that lies between two bins is empty.
    """
    with torch.device("cpu"):  # tensors on the meta device have no values to compute with
        bins = torch.linspace(0, config.sample_rate // 2, config.n_fft // 2 + 1)
        edges = _hertz(torch.linspace(0, _highest(config), config.bands + 2))
        slopes = edges[None] - bins[:, None]
        falling, rising = slopes[:, 2:] / edges.diff()[1:], -slopes[:, :-2] / edges.diff()[:-1]
        return torch.minimum(falling, rising).clamp_min(0).T.contiguous()


def mel_centres(config: Transform) -> torch.Tensor:
    """The frequencies in Hz at which the bands of `mel_filters` peak: (bands,)"""
    return _hertz(torch.linspace(0, _highest(config), config.bands + 2)[1:-1])


def _highest(config: Transform) -> float:
    """The upper end of the bands, in mel."""
    return 2595 * math.log10(1 + config.f_max / 700)


def _hertz(mel: torch.Tensor) -> torch.Tensor:
    return 700 * (10 ** (mel / 2595) - 1)
