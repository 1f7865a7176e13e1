"""The fundamental frequency of a single line, frame by frame, by a small network (SwiftF0)."""

import functools
from typing import Any, NamedTuple

import numpy as np
import torch

from msdae.audio import temperament
from msdae.errors import UserError

RATE = 16000  # Hz that the network was built for
FRAMES = 62.5  # a second
CONFIDENT = 0.5
QUIET = 40.0  # dB below the loudest frame, from which on nothing is heard
SHORTEST = 3  # frames of a pitch


class Track(NamedTuple):
    """Pitch over time, 62.5 frames a second.

    seconds: (frames,), when each is. cents: (frames,), above MIDI pitch 0 (440 Hz is 6900); NaN: no pitch.
    """

    seconds: np.ndarray
    cents: np.ndarray


@functools.cache
def detector() -> Any:
    """The network, which may be called from several threads; None where it is not installed."""
    try:
        from swift_f0 import SwiftF0
    except ImportError:
        return None
    return SwiftF0(threads=1)


def track(waveform: torch.Tensor, sample_rate: int) -> Track:
    """The pitch of `waveform`, (samples,), mono, [-1, 1].

    Raises:
        UserError: the network is not installed.
    """
    network = detector()
    if network is None:
        raise UserError("pitches need SwiftF0: pip install 'msdae[judges]'")
    import torchaudio  # a swap does without

    at_rate = torchaudio.functional.resample(waveform.detach().cpu().float(), sample_rate, RATE)
    heard = network.detect(at_rate.numpy(), RATE)
    voiced = (heard.confidence >= CONFIDENT) & (heard.loudness_db > heard.loudness_db.max() - QUIET)
    pitches = 100 * temperament.pitch(heard.pitch_hz)
    pitches[~_long(voiced)] = np.nan
    return Track(np.asarray(heard.timestamps), pitches)


def runs(marks: np.ndarray) -> list[tuple[int, int]]:
    """(first, after the last) of each run of frames that are marked; marks: (frames,), bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marks.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _long(voiced: np.ndarray) -> np.ndarray:
    """The frames that are in runs of `SHORTEST` or more."""
    kept = np.zeros_like(voiced)
    for start, end in runs(voiced):
        kept[start:end] = end - start >= SHORTEST
    return kept
