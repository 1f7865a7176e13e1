"""Impostors: clips equalised to the spectral envelope of others, which must not deceive a timbre metric."""

from dataclasses import replace

import numpy as np
import torch

from msdae.audio.equaliser import MOST, smooth
from msdae.evaluation.metrics.mel import within_range
from msdae.evaluation.metrics.renditions import Renditions

LOUD_DB = 20.0  # frames that are more than this below the loudest do not count for the envelope


def of(clips: Renditions, seed: int = 0) -> Renditions:
    """Each of `clips` with the spectral envelope of a random clip of another instrument.

    Instruments, programs and pieces of the result are those of the other clip, so that a metric that
    recognises them is deceived.
    """
    rng = np.random.default_rng(seed)
    others = [rng.choice(np.flatnonzero(clips.instruments != own)) for own in clips.instruments]
    worn = clips.take(np.array(others))
    return replace(worn, mels=dressed(clips.mels.float(), worn.mels.float()).half())


def dressed(mel: torch.Tensor, other: torch.Tensor, strength: torch.Tensor | float = 1.0) -> torch.Tensor:
    """The clips `mel` with the spectral envelopes of the clips `other`; both (batch, bands, frames) in dB.

    strength: from 0 (own envelope) to 1 (the other one); (batch, 1), or one number for all.
    """
    gain = strength * (_envelopes(other) - _envelopes(mel)).clamp(-MOST, MOST)
    return within_range(mel + gain[..., None])


def _envelopes(mel: torch.Tensor) -> torch.Tensor:
    """(batch, bands, frames) -> the spectral envelopes (batch, bands), in dB about their means."""
    level = 10 * (10 ** (mel / 10)).sum(dim=1).log10()
    return smooth(mel, level >= level.amax(dim=1, keepdim=True) - LOUD_DB)
