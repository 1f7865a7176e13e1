"""A second judge of monophonic melodies: the fundamental frequency, by a small network (SwiftF0)."""

from collections.abc import Sequence

import numpy as np
import torch
import torchaudio

from msdae.audio import temperament
from msdae.audio.pitch import RATE, track
from msdae.audio.pitch import detector as _detector
from msdae.symbolic.notes import Note

CENTS = 50  # largest error of a frame that is right
ATTACK = 0.03  # seconds after an onset that do not count, as the note has no pitch yet
MISSING = "pip install 'msdae[judges]' for the raw pitch accuracy of SwiftF0"


def available() -> bool:
    """Whether the package that carries the network is installed."""
    return _detector() is not None


def raw_pitch_accuracy(notes: Sequence[Note], waveform: torch.Tensor, sample_rate: int) -> float | None:
    """The share of the frames inside notes whose frequency is within 50 cents of the note's.

    notes: a monophonic melody. waveform: (samples,), mono, [-1, 1], which starts at the notes' time 0.
    Returns None if the network is not installed or no frame lies inside a note.

    Source: mir_eval.melody.raw_pitch_accuracy. As there, the network's decision whether a frame is voiced
    does not matter; its confidence has to be above 0.
    """
    detector = _detector()
    if detector is None:
        return None
    at_rate = torchaudio.functional.resample(waveform.detach().cpu().float(), sample_rate, RATE)
    heard = detector.detect(at_rate.numpy(), RATE)
    played = np.full(len(heard.timestamps), np.nan)
    for note in map(Note._make, notes):
        played[(heard.timestamps >= note.onset + ATTACK) & (heard.timestamps < note.offset)] = note.pitch
    inside = np.isfinite(played)
    if not inside.any():
        return None
    pitches = temperament.pitch(heard.pitch_hz[inside])
    right = np.abs(pitches - played[inside]) <= CENTS / 100
    return float(np.mean(right & (heard.confidence[inside] > 0)))


def shared_pitch(source: torch.Tensor, output: torch.Tensor, sample_rate: int) -> float | None:
    """The share of the time with a pitch of `source`, a single line, in which `output` is within 50 cents.

    source, output: (samples,), mono, [-1, 1]; what has an end before the other goes on in silence.
    Returns None if the network is not installed or finds no pitch in the source.
    """
    if _detector() is None:
        return None
    wanted, heard = (track(sound, sample_rate).cents for sound in (source, output))
    frames = np.flatnonzero(np.isfinite(wanted))
    if not len(frames):
        return None
    padded = np.append(heard, np.full(max(0, len(wanted) - len(heard)), np.nan))
    return float(np.mean(np.abs(padded[frames] - wanted[frames]) <= CENTS))
