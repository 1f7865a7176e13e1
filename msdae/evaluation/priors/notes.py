"""Statistics of the notes that Basic Pitch hears in samples."""

from collections.abc import Callable, Mapping

import numpy as np

MAJOR = (0, 2, 4, 5, 7, 9, 11)  # pitch classes of the major scale, and so of its relative minor
REPEATED = 4  # intervals in a row that make a motif

Notes = np.ndarray  # (notes, 3): onset s, offset s, MIDI pitch, as `metrics.melody.transcribe` gives them
Figure = Callable[[Notes, float], float]  # statistic of the notes in so many seconds; NaN if undefined


def density(notes: Notes, seconds: float) -> float:
    """Onsets per second."""
    return len(notes) / seconds


def pitch_class_entropy(notes: Notes, seconds: float) -> float:
    """Entropy of the frequencies of pitch classes, in bits: 0 to 3.58."""
    if not len(notes):
        return float("nan")
    counts = _pitch_classes(notes)
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def in_scale(notes: Notes, seconds: float) -> float:
    """Share of the notes that are in the best fitting major scale."""
    if not len(notes):
        return float("nan")
    counts = _pitch_classes(notes)
    return max(float(np.roll(counts, -tonic)[list(MAJOR)].sum() / counts.sum()) for tonic in range(12))


def _pitch_classes(notes: Notes) -> np.ndarray:
    """How many notes each pitch class has, (12,)."""
    return np.bincount(notes[:, 2].round().astype(int) % 12, minlength=12)


def length(notes: Notes, seconds: float) -> float:
    """Median length of a note, in seconds."""
    return float(np.median(notes[:, 1] - notes[:, 0])) if len(notes) else float("nan")


def pitch(notes: Notes, seconds: float) -> float:
    """Median MIDI pitch."""
    return float(np.median(notes[:, 2])) if len(notes) else float("nan")


def repetition(notes: Notes, seconds: float) -> float:
    """Share of the runs of four intervals that occurred before."""
    steps = np.diff(notes[np.lexsort((notes[:, 2], notes[:, 0])), 2].round().astype(int))
    runs = [tuple(steps[first : first + REPEATED]) for first in range(len(steps) - REPEATED + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else float("nan")


FIGURES: Mapping[str, Figure] = {
    "notes a second": density,
    "median pitch": pitch,
    "note length, s": length,
    "pitch-class entropy, bits": pitch_class_entropy,
    "notes in one scale": in_scale,
}
LONG: Mapping[str, Figure] = {
    "notes a second": density,
    "pitch-class entropy, bits": pitch_class_entropy,
    "repetition": repetition,
}


def thirds(notes: Notes, seconds: float) -> list[Notes]:
    """The notes that begin in each third of the time, with times relative to the start of the third."""
    size = seconds / 3
    parts = [notes[(notes[:, 0] >= k * size) & (notes[:, 0] < (k + 1) * size)].copy() for k in range(3)]
    for number, part in enumerate(parts):
        part[:, :2] -= number * size
    return parts
