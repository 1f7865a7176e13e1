"""Removes steady noise, as of a room or a microphone, from a recording by spectral subtraction.

The noise power in a region of frequencies is that of its quietest moments, provided that it varies no more
than noise does; the decay of a note varies more. Source: the idea of Martin 2001, "Noise power spectral
density estimation based on optimal smoothing and minimum statistics".
"""

import math
from collections.abc import Iterator
from functools import cached_property

import torch
import torch.nn.functional as F

from msdae.audio.windows import Changed, beginning, surrounded

FFT, HOP = 4096, 1024  # samples
SIZE = 2**18  # samples that are filtered at once
MARGIN = 2 * FFT  # neighbouring samples that they depend on
LONGEST = 60  # seconds of a recording in which noise is looked for
SHORTEST = 1  # seconds of the shortest recording that is denoised
LOUD = 0.9  # quantile of the frames' powers that stands for loud frames
SILENT = 1e-9  # share of the loud power below which a frame is digital silence
QUIET = 0.03  # quantile of the frames' powers that stands for quiet frames
PAUSE = 10**-1.2  # largest share of the loud power that the quiet frames of a recording with pauses have
REGIONS = 128  # of the spectrum
# Two quantiles of the power in a region, and the largest ratio of the second to the first in noise. The power
# of noise is distributed exponentially, which makes the ratio 5.2; in decaying notes it is much larger.
LOW, HIGH = 0.02, 0.1
EVEN = 8.0
MOST = 0.5  # smallest share of regions that have noise by that measure
OVER = 2.0  # multiple of the noise's mean power that is subtracted
LEFT = 0.03  # smallest gain: some noise is left, because its remains would otherwise sound like tones


class Denoised(Changed):
    """`source` without its steady noise; unchanged if it has no noise, or no pauses to measure it in."""

    def blocks(self) -> Iterator[torch.Tensor]:
        if self._noise is None:
            yield from self.source.blocks()
            return
        for begin, first, window in surrounded(self.source.blocks(), self.samples, SIZE, MARGIN):
            yield _filtered(window, self._noise)[begin - first :][:SIZE]

    @cached_property
    def _noise(self) -> torch.Tensor | None:
        if self.samples < SHORTEST * self.rate:
            return None
        return noise(beginning(self.source, LONGEST * self.rate))


def noise(sound: torch.Tensor) -> torch.Tensor | None:
    """The mean power of the steady noise in a sound (samples,): (bins,); None if it has none."""
    powers = _spectrum(sound).abs().square()
    levels = powers.sum(dim=0)
    loud = levels.quantile(LOUD)
    heard = levels > SILENT * loud
    if not heard.any() or levels[heard].quantile(QUIET) > PAUSE * loud:
        return None
    regions = powers[:-1, heard].reshape(REGIONS, -1)
    low, high = regions.quantile(torch.tensor([LOW, HIGH]), dim=1)
    even = high < EVEN * low
    if even.float().mean() < MOST:
        return None
    mean = torch.where(even, low / -math.log(1 - LOW), 0).repeat_interleave(FFT // 2 // REGIONS)
    return torch.cat([mean, mean[-1:]])


def _filtered(sound: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """`sound` (samples,) without noise of the power `noise`, (bins,)."""
    spectrum = _spectrum(sound)
    powers = F.pad(spectrum.abs().square()[None], (1, 1, 1, 1), mode="replicate")
    powers = F.avg_pool2d(powers, 3, 1)[0]
    gain = (1 - OVER * noise[:, None] / powers.clamp(min=1e-20)).clamp(min=LEFT**2).sqrt()
    return torch.istft(gain * spectrum, FFT, HOP, window=torch.hann_window(FFT), length=len(sound))


def _spectrum(sound: torch.Tensor) -> torch.Tensor:
    """The STFT of a sound: (samples,) -> complex, (bins, frames)"""
    return torch.stft(sound, FFT, HOP, window=torch.hann_window(FFT), return_complex=True)
