"""Integrated loudness (ITU-R BS.1770-4) measured block by block, and the gain that matches two recordings."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from pyloudnorm import Meter
from scipy.signal import lfilter

from msdae.audio.windows import Source

PEAK = 10 ** (-1 / 20)  # -1 dBFS, under which the peaks of what is written stay
_STEP = 0.1  # seconds between the starts of two gating blocks
_STEPS = 4  # steps in a gating block of 0.4 s
_ABSOLUTE_GATE = -70.0  # LUFS
_RELATIVE_GATE = -10.0  # LU below the mean of the blocks that pass the absolute gate


class Loudness:
    """Running loudness and peak of one mono signal; the memory is one number per 0.1 s.

    Attributes:
        peak: largest absolute sample so far.
        samples: number of samples so far.
    """

    def __init__(self, sample_rate: int):
        self.peak = 0.0
        self.samples = 0
        self._rate = sample_rate
        self._hop = int(_STEP * sample_rate)
        self._filters = [(f.b, f.a) for f in Meter(sample_rate)._filters.values()]
        self._states = [np.zeros(max(len(b), len(a)) - 1) for b, a in self._filters]
        self._energies: list[np.ndarray] = []  # K-weighted energy of each complete step
        self._open_step = np.zeros(0)  # K-weighted samples after the last complete step
        self._energy = 0.0  # of the unweighted signal

    def add(self, block: torch.Tensor) -> None:
        """Take in the next samples: (samples,)."""
        weighted = block.detach().cpu().double().numpy()
        self.samples += len(weighted)
        self.peak = max(self.peak, float(np.abs(weighted).max(initial=0.0)))
        self._energy += float(np.square(weighted).sum())
        for index, (b, a) in enumerate(self._filters):
            weighted, self._states[index] = lfilter(b, a, weighted, zi=self._states[index])
        weighted = np.concatenate([self._open_step, weighted])
        complete = len(weighted) // self._hop * self._hop
        self._energies.append(np.square(weighted[:complete]).reshape(-1, self._hop).sum(axis=1))
        self._open_step = weighted[complete:]

    def level(self) -> float:
        """Root mean square, dB relative to full scale; -inf for silence."""
        return _decibels(self._energy / max(self.samples, 1))

    def integrated(self) -> float:
        """Gated loudness in LUFS; -inf where every block is under -70 LUFS or there is no block of 0.4 s."""
        blocks = self._blocks()
        loudness = np.array([-0.691 + _decibels(power) for power in blocks])
        audible = loudness >= _ABSOLUTE_GATE
        if not audible.any():
            return -math.inf
        gate = -0.691 + _decibels(blocks[audible].mean()) + _RELATIVE_GATE
        return -0.691 + _decibels(blocks[audible & (loudness > gate)].mean())

    def _blocks(self) -> np.ndarray:
        """Mean square of each overlapping gating block of 0.4 s; the last may lack up to half a step."""
        count = round((self.samples / self._rate - _STEPS * _STEP) / _STEP) + 1
        if self.samples < _STEPS * _STEP * self._rate:
            return np.zeros(0)
        energies = np.concatenate([*self._energies, [np.square(self._open_step).sum()]])
        sums = np.convolve(energies, np.ones(_STEPS), mode="valid")[:count]
        return sums / (_STEPS * _STEP * self._rate)


def matching_gain(signal: Loudness, reference: Loudness) -> float:
    """The factor that gives `signal` the loudness of `reference`.

    By integrated loudness where BS.1770 defines both, otherwise (under 0.4 s, or all of it under
    -70 LUFS) by root mean square. Nothing can make silence louder: its factor is 1.
    """
    if signal.peak == 0:
        return 1.0
    difference = reference.integrated() - signal.integrated()
    if not math.isfinite(difference):
        difference = reference.level() - signal.level()
    return 10 ** (difference / 20)


@dataclass(frozen=True)
class Mastering:
    """What is done to a rendering before it is written.

    gain: factor on the samples; limited: it was lowered to keep the peaks under -1 dBFS.
    """

    gain: float
    limited: bool


def master(rendered: Loudness, reference: Loudness) -> Mastering:
    """`matching_gain`, lowered where it would lift the peaks of `rendered` to -1 dBFS or above."""
    gain = matching_gain(rendered, reference)
    # A hair under -1 dBFS, for the rounding to 16 or 24 bits.
    highest = 0.9999 * PEAK / rendered.peak if rendered.peak > 0 else math.inf
    return Mastering(min(gain, highest), gain > highest)


def measure(source: Source, sample_rate: int) -> Loudness:
    """The loudness of all of `source`; raises the UserError of a file that cannot be read to its end."""
    loudness = Loudness(sample_rate)
    for block in source.blocks():
        loudness.add(block)
    return loudness


def _decibels(power: float) -> float:
    return 10 * math.log10(power) if power > 0 else -math.inf
