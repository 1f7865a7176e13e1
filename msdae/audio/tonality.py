"""Where a recording has tones, not noise alone: tones stand out of the spectrum about them, noise is even."""

import torch
import torch.nn.functional as F

from msdae.audio.levels import HOP
from msdae.audio.windows import Source, surrounded

FFT, STEP = 8192, 8 * HOP  # samples of a frame, and from one to the next
LOWEST, HIGHEST = 80, 5000  # Hz
AROUND = 260  # Hz to either side of a frequency that it is compared with
EVEN = -1.2  # mean logarithm of power beside that about it; of noise -0.58, of tones less
TOGETHER = 128  # frames that are heard at once


def tonal(source: Source, rate: int, asked: torch.Tensor) -> torch.Tensor:
    """Whether there are tones in each hop of `HOP` samples of `source`: (hops,), bool.

    asked: hops that are asked for, (hops,), bool; the others have none.

    Raises:
        UserError: as the source's `blocks`.
    """
    parts = surrounded(source.blocks(), source.samples, STEP * TOGETHER, FFT)
    steps = F.pad(asked, (0, -len(asked) % (STEP // HOP))).view(-1, STEP // HOP).any(dim=1)
    marks = torch.zeros(len(steps), dtype=torch.bool)
    for wanted, (begin, first, sound) in zip(steps.split(TOGETHER), parts, strict=True):
        if wanted.any():
            frames = F.pad(sound, (FFT, FFT)).unfold(0, FFT, STEP)
            own = (begin - first + (FFT + STEP) // 2) // STEP  # whose middle is that of the first step
            found = _tonal(frames[own : own + len(wanted)][wanted], rate)
            marks[begin // STEP :][: len(wanted)][wanted] = found
    return marks.repeat_interleave(STEP // HOP)[: len(asked)] & asked


def _tonal(frames: torch.Tensor, rate: int) -> torch.Tensor:
    """(frames, FFT) -> (frames,), bool"""
    bins = slice(round(LOWEST / rate * FFT), round(HIGHEST / rate * FFT))
    power = torch.fft.rfft(frames * torch.hann_window(FFT)).abs().square()[:, bins].clamp_min(1e-20)
    reach = round(AROUND / rate * FFT)
    about = F.avg_pool1d(power[:, None], 2 * reach + 1, 1, reach, count_include_pad=False)[:, 0]
    return ((power / about).log() * about).sum(dim=1) < EVEN * about.sum(dim=1)
