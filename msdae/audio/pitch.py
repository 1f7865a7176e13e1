"""Tracks the fundamental frequency of a single line with a small neural network (SwiftF0)."""

import functools
from typing import Any, NamedTuple

import numpy as np
import torch

from msdae.audio import temperament
from msdae.errors import UserError

RATE = 16000  # sample rate of the network in Hz
FRAMES = 62.5  # frames a second
CONFIDENT = 0.5  # lowest confidence of a frame with a pitch
QUIET = 40.0  # dB below the loudest frame from which on a frame has no pitch
SHORTEST = 3  # frames; shorter runs of pitches are dropped


class Track(NamedTuple):
    """Pitch over time at 62.5 frames a second.

    seconds: times of the frames, (frames,). cents: pitches in cents above MIDI pitch 0 (440 Hz is 6900), NaN
    without a pitch, (frames,).
    """

    seconds: np.ndarray
    cents: np.ndarray


@functools.cache
def detector() -> Any:
    """The network, which may be called from several threads; None if SwiftF0 is not installed."""
    try:
        from swift_f0 import SwiftF0
    except ImportError:
        return None
    return SwiftF0(threads=1)


def track(waveform: torch.Tensor, sample_rate: int) -> Track:
    """The pitch of `waveform`, (samples,), mono, [-1, 1].

    sample_rate: in Hz.

    Raises:
        UserError: SwiftF0 is not installed.
    """
    network = detector()
    if network is None:
        raise UserError("pitches need SwiftF0: pip install 'msdae[judges]'")
    import torchaudio  # imported here because swaps do without it

    at_rate = torchaudio.functional.resample(waveform.detach().cpu().float(), sample_rate, RATE)
    heard = network.detect(at_rate.numpy(), RATE)
    voiced = (heard.confidence >= CONFIDENT) & (heard.loudness_db > heard.loudness_db.max() - QUIET)
    pitches = 100 * temperament.pitch(heard.pitch_hz)
    pitches[~_long(voiced)] = np.nan
    return Track(np.asarray(heard.timestamps), pitches)


def runs(marks: np.ndarray) -> list[tuple[int, int]]:
    """(first frame, frame after the last) of each run of marked frames. marks: bool, (frames,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marks.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _long(voiced: np.ndarray) -> np.ndarray:
    """Which voiced frames are in runs of at least `SHORTEST`: bool, (frames,) both."""
    kept = np.zeros_like(voiced)
    for start, end in runs(voiced):
        kept[start:end] = end - start >= SHORTEST
    return kept
