"""Distances between two waveforms: of their log-mel spectrograms, and sample by sample (SI-SDR)."""

import functools
import math

import numpy as np
import torch
import torchaudio
from scipy.ndimage import gaussian_filter

from msdae.errors import UserError

FFT_SIZES = (2048, 1024, 512)
FLOOR_DB = -80.0  # relative to full scale; what is quieter counts as silence
IMAGE_FFT = 1024  # FFT size of the log-mel that is compared as an image
REACH = 5  # pixels to either side in the window of structural similarity


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
    _require_comparable(reference, estimate)
    differences = [
        (_decibel(reference, size, sample_rate, floor_db) - _decibel(estimate, size, sample_rate, floor_db))
        for size in FFT_SIZES
    ]
    return float(torch.stack([difference.abs().mean() for difference in differences]).mean())


def si_sdr(reference: torch.Tensor, estimate: torch.Tensor) -> float:
    """Scale-invariant signal-to-distortion ratio in dB; higher is nearer.

    It is inf for equal waveforms and -inf for a silent estimate of a reference that is not silent. It is low
    where phases differ, and codecs that encode magnitudes only do not keep phases.

    reference, estimate: (samples,).

    Source: Le Roux et al. 2019, "SDR - half-baked or well done?", eq. 4.

    Raises:
        UserError: the lengths differ.
    """
    if reference.shape != estimate.shape:
        raise UserError(f"{len(reference)} and {len(estimate)} samples: give waveforms of one length")
    scale = (reference @ estimate) / (reference @ reference).clamp_min(1e-12)
    target = scale * reference
    noise = (estimate - target).square().sum()
    if noise > 0:
        return float(10 * torch.log10(target.square().sum() / noise))
    return math.inf if target.any() or not reference.any() else -math.inf


def mel_mse(reference: torch.Tensor, estimate: torch.Tensor, sample_rate: int) -> float:
    """Mean squared difference of two log-mel spectrograms, in dB^2; x^2 for a gain of x dB above the floor.

    The log-mels are those of `log_mel_distance`, for the single FFT size `IMAGE_FFT`.

    reference, estimate: (samples,), [-1, 1].

    Raises:
        UserError: as `log_mel_distance`.
    """
    first, second = _images(reference, estimate, sample_rate)
    return float(np.square(first - second).mean())


def mel_ssim(reference: torch.Tensor, estimate: torch.Tensor, sample_rate: int) -> float:
    """Structural similarity (SSIM) of two log-mel spectrograms as images: at most 1, for equal ones.

    The log-mels are those of `mel_mse`; the range of their values is taken as `-FLOOR_DB`. Two silent
    waveforms are equal.

    reference, estimate: (samples,), [-1, 1], at least 11 frames of `IMAGE_FFT` / 4 samples.

    Source: Wang et al. 2004, "Image quality assessment", with its Gaussian window (11 x 11, sigma 1.5) and
    constants; equal to scikit-image's with these settings.

    Raises:
        UserError: as `log_mel_distance`, or the waveforms have fewer frames.
    """
    first, second = _images(reference, estimate, sample_rate)
    if first.shape[1] <= 2 * REACH:
        raise UserError(f"{reference.shape[-1]} samples are too few for the similarity of log-mels")
    return ssim(first, second, -FLOOR_DB)


def ssim(first: np.ndarray, second: np.ndarray, span: float) -> float:
    """Structural similarity of two images, (rows, columns), at least 11 of each; source as in `mel_ssim`.

    span: the range of the images' values, highest less lowest possible.
    """

    def local(image: np.ndarray) -> np.ndarray:
        """The weighted mean around every pixel whose window lies inside the image."""
        smooth = gaussian_filter(image, sigma=1.5, truncate=REACH / 1.5)
        return smooth[REACH:-REACH, REACH:-REACH]

    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    mean1, mean2 = local(first), local(second)
    variances = local(first**2) - mean1**2 + local(second**2) - mean2**2
    covariance = local(first * second) - mean1 * mean2
    similarity = (2 * mean1 * mean2 + c1) * (2 * covariance + c2)
    return float((similarity / ((mean1**2 + mean2**2 + c1) * (variances + c2))).mean())


def _images(
    reference: torch.Tensor, estimate: torch.Tensor, sample_rate: int
) -> tuple[np.ndarray, np.ndarray]:
    """The log-mels of both, (bands, frames), float64, in dB above the floor."""
    _require_comparable(reference, estimate)
    first, second = (
        _decibel(waveform, IMAGE_FFT, sample_rate, FLOOR_DB).double().cpu().numpy() - FLOOR_DB
        for waveform in (reference, estimate)
    )
    return first, second


def _require_comparable(reference: torch.Tensor, estimate: torch.Tensor) -> None:
    if reference.shape != estimate.shape:
        shapes = f"{tuple(reference.shape)} and {tuple(estimate.shape)} samples"
        raise UserError(f"a distance of log-mels needs waveforms of one length, got {shapes}")
    if reference.shape[-1] <= max(FFT_SIZES) // 2:
        raise UserError(f"{reference.shape[-1]} samples are too few for a distance of log-mels")


def _decibel(waveform: torch.Tensor, n_fft: int, sample_rate: int, floor_db: float) -> torch.Tensor:
    """waveform: (samples,) -> log-mel (bands, frames), in dB relative to full scale, at least `floor_db`."""
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
