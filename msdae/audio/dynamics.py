"""Dynamics within notes, evened out: how a sound swells and decays is the sound's own, not the melody's."""

import torch
import torch.nn.functional as F

WINDOW, HOP = 4096, 512  # samples over which the level is measured, and from one measurement to the next
REACH = 1.5  # seconds to either side within which levels become alike
RANGE = 25.0  # dB below the loudest within reach; what is softer gains less, at twice as much nothing
MOST = 26.0  # dB of gain
QUIET = 1e-10  # power of silence


def even(waveform: torch.Tensor, sample_rate: int) -> torch.Tensor:
    """Sound as loud everywhere as its loudest within `REACH`; silence and what is much softer stays.

    waveform: (..., samples), sample_rate: in Hz. Returns as `waveform`; slow changes of loudness are kept.
    """
    flat = waveform.reshape(-1, 1, waveform.shape[-1])
    padded = F.pad(flat.square(), (WINDOW // 2, WINDOW // 2))
    level = 10 * F.avg_pool1d(padded, WINDOW, HOP)[:, 0].clamp_min(QUIET).log10()
    gain = 10 ** (gains(level, round(REACH * sample_rate / HOP)) / 20)
    gain = F.interpolate(gain[:, None], size=flat.shape[-1], mode="linear", align_corners=True)
    return (flat * gain).view_as(waveform)


def gains(level: torch.Tensor, reach: int) -> torch.Tensor:
    """What makes levels alike: (batch, frames) in dB each. reach: frames to either side."""
    below = loudest(level, reach) - level
    heard = ((2 * RANGE - below) / RANGE).clamp(0, 1)
    return (below.clamp(max=MOST) * heard).clamp_min(-MOST)


def loudest(level: torch.Tensor, reach: int) -> torch.Tensor:
    """The highest level within `reach` frames to either side, averaged over as many: (batch, frames) both."""
    highest = F.max_pool1d(F.pad(level[:, None], (reach, reach), mode="replicate"), 2 * reach + 1, 1)
    return F.avg_pool1d(F.pad(highest, (reach, reach), mode="replicate"), 2 * reach + 1, 1)[:, 0]
