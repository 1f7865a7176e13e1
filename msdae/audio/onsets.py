"""Finds onsets: where a log-mel spectrogram rises, but not by vibrato (SuperFlux, Böck and Widmer 2013)."""

import torch
import torch.nn.functional as F

from msdae.audio.levels import HOP
from msdae.audio.mel import LogMel, MelConfig
from msdae.audio.windows import Source, surrounded

FFT, BANDS = 2048, 96  # samples; mel bands
LAG = 2  # frames over which the rise of a band is measured
BANDS_ASIDE = 1  # bands to either side to which a partial may move in that time
RISE = 0.1  # by which the rise at an onset exceeds its mean within `AROUND` frames to either side
NEAR, AROUND = 3, 9  # frames; an onset is the highest rise within `NEAR` to either side
TOGETHER, MARGIN = 512, 16  # frames that are analysed at once, and frames of context on either side


def onsets(source: Source, rate: int) -> torch.Tensor:
    """The hops of `HOP` samples at which notes of `source` begin, in order: (notes,)

    The source should have the level of `levels.Levelled`, as much softer onsets are missed. The thresholds
    are tuned for 44.1 kHz.

    Raises:
        UserError: the source's `blocks` raises it.
    """
    count = max(1, source.samples // HOP)
    log_mel = LogMel(MelConfig(rate, FFT, HOP, BANDS))
    begun = torch.zeros(count, dtype=torch.bool)
    sounds = surrounded(source.blocks(), HOP * count, HOP * TOGETHER, HOP * MARGIN)
    for begin, first, sound in sounds:
        mel = log_mel(F.pad(sound, (FFT, max(FFT, HOP + FFT - len(sound))))[None])[0]
        early, rise = _rise(mel).split([FFT // HOP, mel.shape[1] - FFT // HOP])
        rise[0] = torch.maximum(rise[0], early.max())  # frames whose windows reach the first note early
        own = slice(begin // HOP, min(begin // HOP + TOGETHER, count))
        begun[own] = _peaks(rise)[(begin - first) // HOP :][: own.stop - own.start]
    return begun.nonzero()[:, 0]


def _rise(mel: torch.Tensor) -> torch.Tensor:
    """The mean rise of a log-mel (bands, frames) at each frame: (frames,)"""
    before = F.max_pool1d(mel.T, 2 * BANDS_ASIDE + 1, 1, BANDS_ASIDE).T
    return F.pad((mel[:, LAG:] - before[:, :-LAG]).clamp_min(0).mean(dim=0), (LAG, 0))


def _peaks(rise: torch.Tensor) -> torch.Tensor:
    """Which frames are onsets: bool, (frames,)"""
    highest = F.max_pool1d(rise[None], 2 * NEAR + 1, 1, NEAR)[0]
    mean = F.avg_pool1d(rise[None], 2 * AROUND + 1, 1, AROUND, count_include_pad=False)[0]
    return (rise == highest) & (rise > mean + RISE)
