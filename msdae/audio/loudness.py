"""Measures integrated loudness (ITU-R BS.1770-4) block by block, and matches the loudness of recordings."""

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch

from msdae.audio.windows import Source

OUTPUT_PEAK = 10 ** (-1 / 20)  # highest peak of written files, -1 dBFS
CEILING = 0.9999 * OUTPUT_PEAK  # slightly lower, to allow for the rounding to 16 or 24 bits
MOST = 10 ** (6 / 20)  # factor by which peaks are limited at most, except for stray ones
STRAY = 0.05  # share of the sounding time whose peaks count as stray
QUIETER = 10 ** (1 / 20)  # smallest factor between two levels that can be heard
_STEP = 0.1  # seconds between the starts of two gating blocks
_STEPS = 4  # steps in a gating block of 0.4 s
_ABSOLUTE_GATE = -70.0  # LUFS
_RELATIVE_GATE = -10.0  # LU below the mean of the blocks that pass the absolute gate
_ROUNDING = 1e-12  # share of an offset's power that rounding leaves when its mean is subtracted
_MEMORY = 0.2  # seconds after which a sample's effect on the K-weighting has fallen to 1e-16
_SHELF, _HIGH_PASS = (1500.0, math.sqrt(0.5), 4.0), (38.0, 0.5)  # Hz, Q and dB, as in pyloudnorm


class Loudness:
    """Running loudness and peak of one mono signal; it stores two numbers per 0.1 s.

    Attributes:
        peak: largest absolute sample so far.
        samples: number of samples so far.
    """

    def __init__(self, sample_rate: int):
        self.peak = 0.0
        self.samples = 0
        self._rate = sample_rate
        self._hop = int(_STEP * sample_rate)
        self._heard = np.zeros(int(_MEMORY * sample_rate))  # samples before the next block
        self._energies: list[np.ndarray] = []  # K-weighted energy of each complete step
        self._peaks: list[np.ndarray] = []  # peak of each complete step
        self._open_step = np.zeros(0)  # K-weighted samples after the last complete step
        self._energy, self._sum = 0.0, 0.0  # of the unweighted samples

    def add(self, block: torch.Tensor) -> None:
        """Add the next samples of the signal: (samples,)"""
        samples = block.detach().cpu().double().numpy()
        self.samples += len(samples)
        self.peak = max(self.peak, float(np.abs(samples).max(initial=0.0)))
        self._energy += float(np.square(samples).sum())
        self._sum += float(samples.sum())
        signal = np.concatenate([self._heard[len(self._heard) - len(self._open_step) :], samples])
        weighted = np.concatenate([self._open_step, self._weighted(samples)])
        complete = len(weighted) // self._hop * self._hop
        self._peaks.append(np.abs(signal[:complete]).reshape(-1, self._hop).max(axis=1))
        self._energies.append(np.square(weighted[:complete]).reshape(-1, self._hop).sum(axis=1))
        self._open_step = weighted[complete:]

    def _weighted(self, samples: np.ndarray) -> np.ndarray:
        """The next samples with K-weighting, by an FFT over them and the samples before them."""
        signal = np.concatenate([self._heard, samples])
        size = _fast_size(len(signal))
        weighted = np.fft.irfft(np.fft.rfft(signal, size) * _k_weighting(self._rate, size), size)
        first, self._heard = len(self._heard), signal[len(samples) :]
        return weighted[first : len(signal)]

    def level(self) -> float:
        """The root mean square about the mean, in dB of full scale; -inf for silence or an offset alone."""
        count = max(self.samples, 1)
        power = self._energy / count
        varying = power - (self._sum / count) ** 2
        return _decibels(varying if varying > _ROUNDING * power else 0.0)

    def integrated(self) -> float:
        """The gated loudness in LUFS; -inf if all blocks are under -70 LUFS, or there is none of 0.4 s."""
        blocks = self._blocks()
        loudness = np.array([-0.691 + _decibels(power) for power in blocks])
        audible = loudness >= _ABSOLUTE_GATE
        if not audible.any():
            return -math.inf
        gate = -0.691 + _decibels(blocks[audible].mean()) + _RELATIVE_GATE
        return -0.691 + _decibels(blocks[audible & (loudness > gate)].mean())

    def usual_peak(self) -> float:
        """The peak that is exceeded in only `STRAY` of the sounding steps of 0.1 s.

        A step sounds if it is at most 10 LU below the integrated loudness. If none does, it is the peak of
        the signal.
        """
        gate = self._hop * 10 ** ((0.691 + self.integrated() + _RELATIVE_GATE) / 10)
        energies, peaks = (np.concatenate([*parts, []]) for parts in (self._energies, self._peaks))
        peaks = peaks[energies >= gate]
        return float(np.quantile(peaks, 1 - STRAY, method="lower")) if len(peaks) else self.peak

    def _blocks(self) -> np.ndarray:
        """The mean square of each overlapping gating block of 0.4 s; the last may lack up to half a step."""
        count = round((self.samples / self._rate - _STEPS * _STEP) / _STEP) + 1
        if self.samples < _STEPS * _STEP * self._rate:
            return np.zeros(0)
        energies = np.concatenate([*self._energies, [np.square(self._open_step).sum()]])
        sums = np.convolve(energies, np.ones(_STEPS), mode="valid")[:count]
        return sums / (_STEPS * _STEP * self._rate)


def matching_gain(signal: Loudness, reference: Loudness) -> float:
    """The factor that gives `signal` the loudness of `reference`.

    It compares integrated loudness if both have one, otherwise (if one is under 0.4 s, or never reaches
    -70 LUFS) root mean squares. It is 1 for a signal of silence or an offset, which no factor makes louder.
    """
    if not math.isfinite(signal.level()):
        return 1.0
    difference = reference.integrated() - signal.integrated()
    if not math.isfinite(difference):
        difference = reference.level() - signal.level()
    return 10 ** (difference / 20)


@dataclass(frozen=True)
class Mastering:
    """The processing of a rendering before it is written.

    gain: factor on the samples, before peaks are limited. limited: whether it is more than 1 dB quieter than
        it should be, to keep the peaks under -1 dBFS.
    """

    gain: float
    limited: bool


def highest_gain(signal: Loudness) -> float:
    """The largest factor at which only stray peaks of `signal` have to be limited by more than `MOST`."""
    usual = signal.usual_peak()
    return MOST * CEILING / usual if usual > 0 else math.inf


def measure(source: Source, sample_rate: int) -> Loudness:
    """The loudness of the whole `source`; raises the UserError of a file that cannot be read to its end."""
    loudness = Loudness(sample_rate)
    for block in source.blocks():
        loudness.add(block)
    return loudness


@functools.lru_cache(maxsize=64)
def _fast_size(least: int) -> int:
    """The smallest size from `least` on whose FFT is fast: a power of two times few factors 3 and 5."""
    odd = (3**three * 5**five for three in range(3) for five in range(3))
    return min(factor << max(0, (-(-least // factor) - 1).bit_length()) for factor in odd)


@functools.lru_cache(maxsize=8)
def _k_weighting(rate: int, size: int) -> np.ndarray:
    """The complex response of K-weighting, a high shelf and a high pass, in an FFT: (size // 2 + 1,)

    Source: ITU-R BS.1770-4 with Bristow-Johnson's filters, as in pyloudnorm, whose import takes a second.
    """
    (shelf, shelf_q, decibels), (low, low_q) = _SHELF, _HIGH_PASS
    amplitude, cosine, width = 10 ** (decibels / 40), *_angle(shelf, shelf_q, rate)
    plus, minus, root = amplitude + 1, amplitude - 1, 2 * math.sqrt(amplitude) * width
    numerator = [plus + minus * cosine + root, -2 * (minus + plus * cosine), plus + minus * cosine - root]
    denominator = [plus - minus * cosine + root, 2 * (minus - plus * cosine), plus - minus * cosine - root]
    response = amplitude * np.fft.rfft(numerator, size) / np.fft.rfft(denominator, size)
    cosine, width = _angle(low, low_q, rate)
    numerator = [(1 + cosine) / 2, -(1 + cosine), (1 + cosine) / 2]
    denominator = [1 + width, -2 * cosine, 1 - width]
    return response * np.fft.rfft(numerator, size) / np.fft.rfft(denominator, size)


def _angle(hertz: float, q: float, rate: int) -> tuple[float, float]:
    """The cosine of a filter's angular frequency, and its sine divided by 2 Q."""
    angle = 2 * math.pi * hertz / rate
    return math.cos(angle), math.sin(angle) / (2 * q)


def _decibels(power: float) -> float:
    return 10 * math.log10(power) if power > 0 else -math.inf
