"""Evens out the dynamics within notes, because how a sound swells and decays belongs to the timbre."""

import torch
import torch.nn.functional as F

WINDOW, HOP = 4096, 512  # samples over which the level is measured, and between measurements
REACH = 1.5  # seconds to either side within which levels are made equal
RANGE = 25.0  # dB below the loudest within reach; softer frames get less gain, and none at twice as much
MOST = 26.0  # largest gain in dB
QUIET = 1e-10  # power of silence


def even(waveform: torch.Tensor, sample_rate: int) -> torch.Tensor:
    """The sound, made as loud at each moment as the loudest moment within `REACH`.

    Silence and much softer moments are left alone, and slow changes of loudness are kept.

    waveform: (..., samples), the shape of the result. sample_rate: in Hz.
    """
    flat = waveform.reshape(-1, 1, waveform.shape[-1])
    padded = F.pad(flat.square(), (WINDOW // 2, WINDOW // 2))
    level = 10 * F.avg_pool1d(padded, WINDOW, HOP)[:, 0].clamp_min(QUIET).log10()
    gain = 10 ** (gains(level, round(REACH * sample_rate / HOP)) / 20)
    gain = F.interpolate(gain[:, None], size=flat.shape[-1], mode="linear", align_corners=True)
    return (flat * gain).view_as(waveform)


def gains(level: torch.Tensor, reach: int) -> torch.Tensor:
    """The gains that even out levels; both (batch, frames), in dB. reach: frames to either side."""
    below = loudest(level, reach) - level
    heard = ((2 * RANGE - below) / RANGE).clamp(0, 1)
    return (below.clamp(max=MOST) * heard).clamp_min(-MOST)


def loudest(level: torch.Tensor, reach: int) -> torch.Tensor:
    """The highest level within `reach` frames to either side, smoothed over as many; both (batch, frames)."""
    highest = F.max_pool1d(F.pad(level[:, None], (reach, reach), mode="replicate"), 2 * reach + 1, 1)
    return F.avg_pool1d(F.pad(highest, (reach, reach), mode="replicate"), 2 * reach + 1, 1)[:, 0]
