"""Dominant frequencies: the peaks of a spectrogram's sum over time, after weak cells are removed and the
rest is smoothed."""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.signal import find_peaks

from msdae.audio import temperament

WINDOW, HOP = 0.5, 0.128  # seconds
BLOCK = 512  # frames computed at once
LOW, HIGH = 55.0, 1500.0  # Hz
PEAKS = 24  # most peaks from which a scale is read


def spectrogram(waveform: torch.Tensor, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies (bins,) in Hz, from 55 to 1 500 Hz, and levels (bins, frames) in dB, the loudest cell 0.

    waveform: (samples,) at `rate` Hz.
    """
    size, hop = round(WINDOW * rate), round(HOP * rate)
    hertz = np.arange(size + 1) * rate / (2 * size)
    inside = (hertz >= LOW) & (hertz <= HIGH)
    padded = torch.nn.functional.pad(waveform, (size, size))
    blocks = [
        torch.stft(
            padded[start : start + (BLOCK - 1) * hop + 2 * size],
            2 * size,
            hop,
            size,
            torch.hann_window(size),
            center=False,
            return_complex=True,
        )[torch.from_numpy(inside)].abs()
        for start in range(0, len(padded) - 2 * size + 1, BLOCK * hop)
    ]
    magnitude = torch.cat(blocks, dim=1).numpy()
    return hertz[inside], 20 * np.log10(np.maximum(magnitude / max(float(magnitude.max()), 1e-9), 1e-6))


def cleaned(decibels: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
    """Amplitudes (bins, frames) of the cells within `alpha` dB of the loudest, smoothed by a Gaussian kernel.

    sigma: standard deviation of the kernel, in cells.

    Source: El Haddad, "Context-Aware Generative Audio Model for Maqam Music", phase 1.
    """
    return gaussian_filter(np.where(decibels >= -alpha, 10 ** (decibels / 20), 0.0), sigma)


def dominant(hertz: np.ndarray, amplitudes: np.ndarray) -> list[tuple[float, float]]:
    """At most `PEAKS` peaks of the sum over time, (Hz, level relative to the strongest), strongest first.

    hertz: (bins,). amplitudes: (bins, frames), from `cleaned`.
    """
    total = amplitudes.sum(axis=1)
    places, _ = find_peaks(total)
    places = places[np.argsort(-total[places])][:PEAKS]
    peaks = []
    for place in places:
        left, middle, right = np.log(np.maximum(total[place - 1 : place + 2], 1e-12))
        bend = left - 2 * middle + right
        shift = 0.5 * (left - right) / bend if bend else 0.0
        peaks.append((float(hertz[place] + shift * (hertz[1] - hertz[0])), float(total[place])))
    strongest = max((level for _, level in peaks), default=1.0)
    return [(frequency, level / strongest) for frequency, level in peaks]


def cents(peaks: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """The peaks as pitches (peaks,) in cents above MIDI pitch 0, and weights (peaks,)."""
    frequencies, levels = np.array(peaks).reshape(-1, 2).T
    return 100 * temperament.pitch(frequencies), levels
