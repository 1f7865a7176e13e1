"""Clips that an equaliser gave the spectral envelope of others: what a judge of timbre must not fall for."""

from dataclasses import replace

import numpy as np
import torch

from msdae.audio.equaliser import MOST, smooth
from msdae.evaluation.metrics.mel import within_range
from msdae.evaluation.metrics.renditions import Renditions

LOUD_DB = 20.0  # below the loudest frame: what is quieter says nothing of the envelope


def of(clips: Renditions, seed: int = 0) -> Renditions:
    """Each of `clips` with the spectral envelope of a clip of another instrument, drawn at random.

    Instruments, programs and pieces are those of the other clip: who recognises them is deceived.
    """
    rng = np.random.default_rng(seed)
    others = [rng.choice(np.flatnonzero(clips.instruments != own)) for own in clips.instruments]
    worn = clips.take(np.array(others))
    return replace(worn, mels=dressed(clips.mels.float(), worn.mels.float()).half())


def dressed(mel: torch.Tensor, other: torch.Tensor, strength: torch.Tensor | float = 1.0) -> torch.Tensor:
    """The clips `mel` with the spectral envelopes of the clips `other`, (batch, bands, frames) in dB each.

    strength: how far from its own envelope to the other, 0 to 1; (batch, 1) or one for all.
    """
    gain = strength * (_envelopes(other) - _envelopes(mel)).clamp(-MOST, MOST)
    return within_range(mel + gain[..., None])


def _envelopes(mel: torch.Tensor) -> torch.Tensor:
    """(batch, bands)."""
    level = 10 * (10 ** (mel / 10)).sum(dim=1).log10()
    return smooth(mel, level >= level.amax(dim=1, keepdim=True) - LOUD_DB)
