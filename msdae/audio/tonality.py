"""Tells tones from noise in a recording: tones stand out of the spectrum around them, noise is even."""

import torch
import torch.nn.functional as F

from msdae.audio.levels import HOP
from msdae.audio.windows import Source, surrounded

FFT, STEP = 8192, 8 * HOP  # samples of a frame, and samples between frames
LOWEST, HIGHEST = 80, 5000  # Hz
AROUND = 260  # Hz to either side of a frequency whose mean power it is compared with
EVEN = -1.2  # threshold of the mean logarithm of that ratio, which is -0.58 for noise and lower for tones
TOGETHER = 128  # frames that are analysed at once


def tonal(source: Source, rate: int, asked: torch.Tensor) -> torch.Tensor:
    """Whether there are tones in each hop of `HOP` samples of `source`: bool, (hops,)

    rate: of the source in Hz. asked: the hops that are examined, bool, (hops,); the others are False.

    Raises:
        UserError: the source's `blocks` raises it.
    """
    parts = surrounded(source.blocks(), source.samples, STEP * TOGETHER, FFT)
    steps = F.pad(asked, (0, -len(asked) % (STEP // HOP))).view(-1, STEP // HOP).any(dim=1)
    marks = torch.zeros(len(steps), dtype=torch.bool)
    for wanted, (begin, first, sound) in zip(steps.split(TOGETHER), parts, strict=True):
        if wanted.any():
            frames = F.pad(sound, (FFT, FFT)).unfold(0, FFT, STEP)
            own = (begin - first + (FFT + STEP) // 2) // STEP  # the frame centred on the first step
            found = _tonal(frames[own : own + len(wanted)][wanted], rate)
            marks[begin // STEP :][: len(wanted)][wanted] = found
    return marks.repeat_interleave(STEP // HOP)[: len(asked)] & asked


def _tonal(frames: torch.Tensor, rate: int) -> torch.Tensor:
    """Whether frames have tones: (frames, FFT) -> bool, (frames,)"""
    bins = slice(round(LOWEST / rate * FFT), round(HIGHEST / rate * FFT))
    power = torch.fft.rfft(frames * torch.hann_window(FFT)).abs().square()[:, bins].clamp_min(1e-20)
    reach = round(AROUND / rate * FFT)
    about = F.avg_pool1d(power[:, None], 2 * reach + 1, 1, reach, count_include_pad=False)[:, 0]
    return ((power / about).log() * about).sum(dim=1) < EVEN * about.sum(dim=1)
