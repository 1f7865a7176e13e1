"""How far two waveforms are apart as log-mel spectrograms."""

import functools

import torch
import torchaudio

from msdae.errors import UserError

FFT_SIZES = (2048, 1024, 512)
FLOOR_DB = -80.0  # below full scale; quieter is silence


def log_mel_distance(
    reference: torch.Tensor, estimate: torch.Tensor, sample_rate: int, floor_db: float = FLOOR_DB
) -> float:
    """Mean absolute difference in dB of two log-mel spectrograms, averaged over three resolutions.

    For FFT sizes n = 2048, 1024, 512 (Hann window, hop n / 4, n / 16 mel bands): the magnitude is scaled
    so that a full-scale sine peaks at 0 dB, 20 log10 of its mel bands is cut at `floor_db`, and the
    absolute differences are averaged over bands and frames. Symmetric; 0 for equal waveforms; x dB for
    a gain of x dB wherever both are above the floor.

    reference, estimate: (samples,), [-1, 1].

    Source: the multi-resolution spectral distance of Engel et al. 2020 (DDSP, eq. 4), on mel bands and
    in dB, with the several FFT sizes of Kumar et al. 2023 (Descript Audio Codec, section 3.4).

    Raises:
        UserError: the lengths differ or are shorter than half the longest FFT window.
    """
    if reference.shape != estimate.shape:
        found = f"{tuple(reference.shape)} and {tuple(estimate.shape)} samples"
        raise UserError(f"the log-mel distance needs waveforms of one length, got {found}")
    if reference.shape[-1] <= max(FFT_SIZES) // 2:
        raise UserError(f"{reference.shape[-1]} samples are too few for a log-mel distance")
    differences = [
        (_decibel(reference, size, sample_rate, floor_db) - _decibel(estimate, size, sample_rate, floor_db))
        for size in FFT_SIZES
    ]
    return float(torch.stack([difference.abs().mean() for difference in differences]).mean())


def _decibel(waveform: torch.Tensor, n_fft: int, sample_rate: int, floor_db: float) -> torch.Tensor:
    """waveform: (samples,) -> log-mel (bands, frames), in dB below full scale, at least `floor_db`."""
    window = torch.hann_window(n_fft, device=waveform.device)
    spectrum = torch.stft(waveform.float(), n_fft, n_fft // 4, window=window, return_complex=True).abs()
    mel = _filters(n_fft, sample_rate).to(waveform.device).T @ (spectrum * 2 / window.sum())
    return (20 * mel.clamp(min=10 ** (floor_db / 20)).log10()).clamp(min=floor_db)


@functools.cache
def _filters(n_fft: int, sample_rate: int) -> torch.Tensor:
    """Triangular mel filters (n_fft / 2 + 1, n_fft / 16), peak 1."""
    return torchaudio.functional.melscale_fbanks(
        n_fft // 2 + 1, 0.0, sample_rate / 2, n_fft // 16, sample_rate
    )
