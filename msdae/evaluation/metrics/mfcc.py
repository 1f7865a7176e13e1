"""Timbre similarity of two recordings without a learnt network: the cosine of their mean MFCC 2 to 13."""

import functools

import numpy as np
import torch
import torch.nn.functional as F
import torchaudio

RATE, FFT, HOP, BANDS = 22050, 2048, 512, 128
COEFFICIENTS = 13  # the first, which holds the level, is dropped
QUIET = 0.1  # share of the highest frame RMS below which frames are left out
RANGE_DB = 80.0  # dB from the loudest band to the lowest level
SPREAD = (60, 30, 25, 20, 15, 15, 12, 12, 10, 10, 10, 10)  # divisors of the coefficients


def similarity(one: torch.Tensor, other: torch.Tensor, sample_rate: int) -> float:
    """Cosine of the scaled `mean_mfcc` of two waveforms (samples,): -1 to 1; 0 if one of them is silent."""
    first, second = (mean_mfcc(waveform, sample_rate) / np.array(SPREAD) for waveform in (one, other))
    length = np.linalg.norm(first) * np.linalg.norm(second)
    return float(first @ second / length) if length else 0.0


def mean_mfcc(waveform: torch.Tensor, sample_rate: int) -> np.ndarray:
    """MFCC 2 to 13, averaged over the frames above a tenth of the highest RMS: (12,); zeros for silence.

    waveform: (samples,), mono. The MFCC equal librosa's at 22 050 Hz (FFT 2048, hop 512; tested).
    """
    at_rate = torchaudio.functional.resample(waveform.detach().cpu().float(), sample_rate, RATE)
    frames = F.pad(at_rate, (FFT // 2, FFT // 2)).unfold(0, FFT, HOP)  # (frames, FFT)
    level = frames.square().mean(dim=1).sqrt()
    if not float(level.max()) > 0:
        return np.zeros(COEFFICIENTS - 1)
    power = torch.fft.rfft(frames * torch.hann_window(FFT)).abs().square() @ _bands()
    decibels = 10 * power.clamp(min=1e-10).log10()
    decibels = decibels.clamp(min=float(decibels.max()) - RANGE_DB)
    loud = decibels[level >= QUIET * level.max()]
    return (loud @ _cosines()).mean(dim=0).double().numpy()[1:]


@functools.cache
def _bands() -> torch.Tensor:
    """Mel filters of equal area, (FFT / 2 + 1, BANDS)."""
    scale = {"norm": "slaney", "mel_scale": "slaney"}
    return torchaudio.functional.melscale_fbanks(FFT // 2 + 1, 0.0, RATE / 2, BANDS, RATE, **scale)


@functools.cache
def _cosines() -> torch.Tensor:
    """The first columns of the orthonormal DCT-II, (BANDS, COEFFICIENTS)."""
    return torchaudio.functional.create_dct(COEFFICIENTS, BANDS, norm="ortho")
