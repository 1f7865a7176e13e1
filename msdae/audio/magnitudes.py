"""Magnitude spectrograms of recordings of any length, and the mel bands of the codecs in them."""

from collections.abc import Iterator
from typing import Protocol

import torch
import torch.nn.functional as F
from torchaudio.functional import melscale_fbanks

from msdae.errors import UserError


class Transform(Protocol):
    """Settings of a codec: an STFT, `block` of whose frames are a latent frame, and mel bands."""

    sample_rate: int
    n_fft: int
    hop: int
    bands: int
    f_max: float
    block: int


def pieces(
    waveform: torch.Tensor, config: Transform, window: torch.Tensor, chunk: int
) -> Iterator[torch.Tensor]:
    """waveform: (batch, samples) -> magnitudes (batch, bins, frames) of whole blocks, in order of time.

    The pieces are exact: what one transform of the whole waveform, centred and filled with silence, would
    give, in bounded memory. chunk: latent frames at once, over the whole batch.

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
    """(bands, bins), triangles on the HTK scale: the finest one where melodies lie."""
    bins = config.n_fft // 2 + 1
    return melscale_fbanks(bins, 0.0, config.f_max, config.bands, config.sample_rate).T.contiguous()
