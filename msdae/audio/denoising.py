"""Steady noise under a recording, as of a room or a microphone, taken off by spectral subtraction.

Its power is what is left in the quietest moments of each region of frequencies, if it is as even as noise is;
the decay of a note is not. Source: the idea of Martin 2001, "Noise power spectral density estimation based
on optimal smoothing and minimum statistics".
"""

import math
from collections.abc import Iterator
from functools import cached_property

import torch
import torch.nn.functional as F

from msdae.audio.windows import Changed, beginning, surrounded

FFT, HOP = 4096, 1024  # samples
SIZE = 2**18  # samples that are filtered at once
MARGIN = 2 * FFT  # samples to either side that these depend on
LONGEST = 60  # seconds of a recording in which noise is looked for
SHORTEST = 1  # seconds of a recording that may have noise, at least
LOUD = 0.9  # quantile of the frames' powers that is taken for the loud one
SILENT = 1e-9  # share of the loud power below which a frame is digital silence
QUIET = 0.03  # quantile of the frames' powers that is taken for the quiet one
PAUSE = 10**-1.2  # share of the loud power that the quiet one has in a recording with pauses, at most
REGIONS = 128  # of the spectrum
# The power of noise is exponentially distributed, so that its quantile HIGH is 5.2 times its quantile LOW;
# where a note decays it is many times as high.
LOW, HIGH = 0.02, 0.1
EVEN = 8.0  # times that HIGH may be LOW in a region of noise
MOST = 0.5  # share of the regions that are such, at least
OVER = 2.0  # how much of the noise's mean power is taken off
LEFT = 0.03  # of the amplitude, at least: rather some noise than tones of what is left of it


class Denoised(Changed):
    """`source` without its steady noise; as it is where it has no pauses to tell it by, or no noise."""

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
    """Mean power of the steady noise of a sound (samples,) in each bin, (bins,); None where there is none."""
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
    """`sound` (samples,) without `noise`, its power in each bin."""
    spectrum = _spectrum(sound)
    powers = F.pad(spectrum.abs().square()[None], (1, 1, 1, 1), mode="replicate")
    powers = F.avg_pool2d(powers, 3, 1)[0]
    gain = (1 - OVER * noise[:, None] / powers.clamp(min=1e-20)).clamp(min=LEFT**2).sqrt()
    return torch.istft(gain * spectrum, FFT, HOP, window=torch.hann_window(FFT), length=len(sound))


def _spectrum(sound: torch.Tensor) -> torch.Tensor:
    """(samples,) -> (bins, frames), complex."""
    return torch.stft(sound, FFT, HOP, window=torch.hann_window(FFT), return_complex=True)
