"""Finds the period of a sound with the difference function (YIN, de Cheveigné and Kawahara 2002)."""

from typing import NamedTuple

import torch
import torch.nn.functional as F

from msdae.audio.resample import length, resample
from msdae.audio.windows import Source, cut

RATE = 22050  # Hz
WINDOW, HOP = 768, 256  # samples that are compared, and samples between frames
SHORTEST, LONGEST = 10, 400  # samples of a period
ALIKE = 0.15  # normalised difference below which a lag is a period
LAG = 176  # samples; the period is refined at its multiple nearest to this lag
LOWEST = 0.05  # smallest share of power in the first three partials; the common period of a chord has less
FFT, TOGETHER = 2048, 256  # samples; frames that are analysed at once


class Periods(NamedTuple):
    """The frames of a recording, (frames,) each.

    seconds: their times, not quite evenly spaced. hertz: frequencies, 0 where the sound as a whole is not
    periodic, as with several voices. power: mean squares.
    """

    seconds: torch.Tensor
    hertz: torch.Tensor
    power: torch.Tensor


def periods(source: Source, rate: int) -> Periods:
    """The periods of `source`, whose sample rate is `rate` Hz; a frequency may be an octave off.

    Raises:
        UserError: the source's `blocks` raises it.
    """
    size = WINDOW + LONGEST
    count = max(1, (length(source.samples, rate, RATE) - size) // HOP + 1)
    heard = Periods(*torch.zeros(3, count, dtype=torch.double))
    firsts = range(0, count, TOGETHER)
    blocks = resample(source.blocks(), rate, RATE)
    sounds = cut(blocks, [HOP * first for first in firsts], TOGETHER * HOP + size)
    for first, sound in zip(firsts, sounds, strict=True):
        padded = F.pad(sound, (0, max(0, size - len(sound))))
        frames = padded.unfold(0, size, HOP)[: min(TOGETHER, count - first)]
        lag, period, power = _periods(frames)
        own = slice(first, first + len(frames))
        heard.seconds[own] = (HOP * (first + torch.arange(len(frames))) + (WINDOW + lag) / 2) / RATE
        heard.hertz[own] = torch.where(period > 0, RATE / period.clamp_min(1), 0)
        heard.power[own] = power
    return heard


def _periods(frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Frames (frames, samples) -> the lag of the final comparison, the period (0 for none), both in samples,
    and the power: (frames,) each."""
    frames = frames - frames.mean(dim=1, keepdim=True)
    peaks = frames.abs().amax(dim=1, keepdim=True).clamp_min(1e-30)
    frames = frames / peaks
    energies = F.pad(frames.double().square().cumsum(1), (1, 0)).float()
    energies = energies[:, WINDOW:] - energies[:, : LONGEST + 1]  # of the window at each lag
    spectrum = torch.fft.rfft(frames, FFT)
    product = spectrum * torch.fft.rfft(frames[:, :WINDOW], FFT).conj()
    correlation = torch.fft.irfft(product)[:, : LONGEST + 1]
    difference = (energies[:, :1] + energies - 2 * correlation).clamp_min(0)
    lags = torch.arange(1, LONGEST + 1)
    normalised = difference[:, 1:] * lags / difference[:, 1:].cumsum(1).clamp_min(1e-12)
    before, middle, after = normalised.unfold(1, 3, 1).unbind(-1)
    dip = (middle < ALIKE) & (middle <= before) & (middle < after)
    dip[:, : SHORTEST - 2] = False
    found, first = dip.any(1), 2 + dip.int().argmax(1)
    coarse = _vertex(difference, first)
    times = (LAG / coarse).round().clamp_min(1)
    period = _vertex(difference, (times * coarse).round().long().clamp(2, LONGEST - 1)) / times
    found &= _share(spectrum.abs().square(), FFT / period) > LOWEST
    return times * period, period * found, (energies[:, 0] / WINDOW).double() * peaks[:, 0].double().square()


def _share(power: torch.Tensor, fundamental: torch.Tensor) -> torch.Tensor:
    """The share of the power (frames, bins) near the first three multiples of a bin (frames,): (frames,)"""
    multiples = (fundamental[:, None] * torch.arange(1, 4)).round().long()
    bins = (multiples[..., None] + torch.arange(-1, 2)).flatten(1).clamp(0, power.shape[1] - 1)
    return power.gather(1, bins).sum(dim=1) / power.sum(dim=1).clamp_min(1e-12)


def _vertex(values: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """The minimum of the parabola through the values (frames, lags) about `place` (frames,): (frames,)"""
    before, middle, after = (values.gather(1, place[:, None] + n)[:, 0] for n in (-1, 0, 1))
    bend = (before - 2 * middle + after).clamp_min(1e-12)
    return place + ((before - after) / (2 * bend)).clamp(-1, 1)
