"""When notes begin: where a log-mel spectrogram rises, vibrato aside (SuperFlux, Böck and Widmer 2013)."""

import torch
import torch.nn.functional as F

from msdae.audio.levels import HOP
from msdae.audio.mel import LogMel, MelConfig
from msdae.audio.windows import Source, surrounded

FFT, BANDS = 2048, 96  # samples; bands of the mel
LAG = 2  # frames over which a band rises
BANDS_ASIDE = 1  # bands to either side that a partial may move to meanwhile
RISE = 0.1  # mean over the bands, more than within `AROUND` frames to either side
NEAR, AROUND = 3, 9  # frames; an onset is the highest within `NEAR`
TOGETHER, MARGIN = 512, 16  # frames that are heard at once, and those about them


def onsets(source: Source, rate: int) -> torch.Tensor:
    """The hops of `HOP` samples at which notes of `source` begin, in order: (notes,).

    Levels should be those of `levels.Levelled`: what is much softer is not heard. Tuned for 44.1 kHz.

    Raises:
        UserError: as the source's `blocks`.
    """
    count = max(1, source.samples // HOP)
    log_mel = LogMel(MelConfig(rate, FFT, HOP, BANDS))
    begun = torch.zeros(count, dtype=torch.bool)
    sounds = surrounded(source.blocks(), HOP * count, HOP * TOGETHER, HOP * MARGIN)
    for begin, first, sound in sounds:
        mel = log_mel(F.pad(sound, (FFT, max(FFT, HOP + FFT - len(sound))))[None])[0]
        early, rise = _rise(mel).split([FFT // HOP, mel.shape[1] - FFT // HOP])
        rise[0] = torch.maximum(rise[0], early.max())  # frames that hear the first note before it begins
        own = slice(begin // HOP, min(begin // HOP + TOGETHER, count))
        begun[own] = _peaks(rise)[(begin - first) // HOP :][: own.stop - own.start]
    return begun.nonzero()[:, 0]


def _rise(mel: torch.Tensor) -> torch.Tensor:
    """How much a log-mel (bands, frames) rises at each frame: (frames,)."""
    before = F.max_pool1d(mel.T, 2 * BANDS_ASIDE + 1, 1, BANDS_ASIDE).T
    return F.pad((mel[:, LAG:] - before[:, :-LAG]).clamp_min(0).mean(dim=0), (LAG, 0))


def _peaks(rise: torch.Tensor) -> torch.Tensor:
    """Which frames are onsets: (frames,)."""
    highest = F.max_pool1d(rise[None], 2 * NEAR + 1, 1, NEAR)[0]
    mean = F.avg_pool1d(rise[None], 2 * AROUND + 1, 1, AROUND, count_include_pad=False)[0]
    return (rise == highest) & (rise > mean + RISE)
