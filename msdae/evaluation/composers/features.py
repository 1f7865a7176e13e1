"""Statistics of a score: the metrics of MuseGAN and MusPy (Dong et al. 2018, 2020).

The definitions are those of the packages. A metric is `None` if it is not defined for a score.
"""

from collections.abc import Callable, Sequence

import numpy as np

from msdae.symbolic.notes import Score
from msdae.symbolic.tokens import BAR, LINE_REST, STEPS, bar_count, spanned, steps

Feature = Callable[[Score], float | None]
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
QUALIFIED = 3  # steps that a note needs not to count as a fragment
# Tonal space of Harte et al. 2006: (angle of a semitone in units of pi, radius) of the circles of fifths,
# minor thirds and major thirds.
_CIRCLES = ((7 / 6, 1.0), (3 / 2, 1.0), (2 / 3, 0.5))


def pitches(score: Score) -> list[int]:
    """The pitches of all notes."""
    return [note.pitch for part in score.parts for note in part]


def pitch_range(score: Score) -> float | None:
    """Semitones from the lowest note to the highest (MusPy)."""
    sounding = pitches(score)
    return float(max(sounding) - min(sounding)) if sounding else None


def pitch_entropy(score: Score) -> float | None:
    """Entropy of the pitches, in bits (MusPy)."""
    return _entropy(pitches(score))


def pitch_class_entropy(score: Score) -> float | None:
    """Entropy of the pitch classes, in bits (MusPy)."""
    return _entropy([pitch % 12 for pitch in pitches(score)])


def scale_consistency(score: Score) -> float | None:
    """The share of the notes that are in the best fitting major or minor scale (MusPy)."""
    sounding = pitches(score)
    if not sounding:
        return None
    counts = np.bincount(np.array(sounding) % 12, minlength=12)
    shares = [
        counts[[(root + degree) % 12 for degree in scale]].sum() / counts.sum()
        for scale in SCALES.values()
        for root in range(12)
    ]
    return float(max(shares))


def polyphony(score: Score) -> float | None:
    """The mean number of notes that sound at once, over the steps in which any sounds (MusPy)."""
    sounding = _sounding(score)
    return float(sounding[sounding > 0].mean()) if sounding.any() else None


def polyphony_rate(score: Score) -> float | None:
    """The share of the steps in which two or more notes sound (MusPy)."""
    sounding = _sounding(score)
    return float((sounding > 1).mean()) if len(sounding) else None


def empty_beat_rate(score: Score) -> float | None:
    """The share of the quarter notes in which nothing sounds (MusPy)."""
    sounding = _sounding(score)
    beats = [sounding[first : first + STEPS].any() for first in range(0, len(sounding), STEPS)]
    return float(1 - np.mean(beats)) if beats else None


def groove_consistency(score: Score) -> float | None:
    """How alike the onsets of neighbouring bars are: 1 minus their mean Hamming distance (MusPy)."""
    length = STEPS * BAR
    bars = bar_count(score)
    onsets = np.zeros((bars, length), bool)
    for part in score.parts:
        for note in part:
            step = int(note.onset * STEPS + 1e-6)
            onsets[step // length, step % length] = True
    return float(1 - (onsets[1:] != onsets[:-1]).mean()) if bars > 1 else None


def note_length(score: Score) -> float | None:
    """The mean duration of a note, in quarter notes."""
    lengths = [note.duration for part in score.parts for note in part]
    return float(np.mean(lengths)) if lengths else None


def interval(score: Score) -> float | None:
    """The mean absolute interval between successive notes of a part, in semitones."""
    sizes = [abs(a.pitch - b.pitch) for p in score.parts for a, b in zip(p[1:], p[:-1], strict=True)]
    return float(np.mean(sizes)) if sizes else None


def empty_bars(score: Score) -> float | None:
    """EB: the share of empty bars among the bars of all parts (MuseGAN)."""
    bars = _bars(score)
    return float(np.mean([not (bar != LINE_REST).any() for bar in bars])) if len(bars) else None


def used_pitch_classes(score: Score) -> float | None:
    """UPC: the mean number of pitch classes in a bar of a part, over bars that are not empty (MuseGAN)."""
    counts = [len(set(bar[bar != LINE_REST] % 12)) for bar in _bars(score) if (bar != LINE_REST).any()]
    return float(np.mean(counts)) if counts else None


def qualified_notes(score: Score) -> float | None:
    """QN: the share of the notes that last three steps or more (MuseGAN)."""
    lengths = [note.duration * STEPS for part in score.parts for note in part]
    return float(np.mean([length > QUALIFIED - 1e-6 for length in lengths])) if lengths else None


def tonal_distance(score: Score) -> float | None:
    """TD: the mean distance of two parts in tonal space, over half bars and pairs of parts (MuseGAN)."""
    length, half = _length(score), STEPS * BAR // 2
    lines = [steps(part, length) for part in score.parts]
    places = range(0, length - half + 1, half)
    points = [[_tonal(line[first : first + half]) for first in places] for line in lines]
    distances = [
        float(np.linalg.norm(a - b))
        for place, one in enumerate(points)
        for other in points[place + 1 :]
        for a, b in zip(one, other, strict=True)
        if a is not None and b is not None
    ]
    return float(np.mean(distances)) if distances else None


LINES: dict[str, Feature] = {  # for single lines
    "pitch range": pitch_range,
    "pitch entropy": pitch_entropy,
    "pitch-class entropy": pitch_class_entropy,
    "scale consistency": scale_consistency,
    "empty-beat rate": empty_beat_rate,
    "groove consistency": groove_consistency,
    "used pitch classes": used_pitch_classes,
    "qualified notes": qualified_notes,
    "note length": note_length,
    "interval": interval,
}
VOICES: dict[str, Feature] = {  # for several voices
    **LINES,
    "polyphony": polyphony,
    "polyphony rate": polyphony_rate,
    "empty bars": empty_bars,
    "tonal distance": tonal_distance,
}


def _entropy(values: Sequence[int]) -> float | None:
    if not len(values):
        return None
    shares = np.bincount(np.asarray(values)) / len(values)
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def _length(score: Score) -> int:
    """The number of steps in which notes of a score sound; the last may be filled in part."""
    return int(np.ceil(score.quarters * STEPS - 1e-6))


def _sounding(score: Score) -> np.ndarray:
    """How many notes sound at each step: (steps,)."""
    counts = np.zeros(_length(score), int)
    for part in score.parts:
        for note in part:
            counts[slice(*spanned(note))] += 1
    return counts


def _bars(score: Score) -> list[np.ndarray]:
    """The pitches at the steps of each bar of each part, `LINE_REST` for silence."""
    size = STEPS * BAR
    length = bar_count(score) * size
    return [bar for part in score.parts for bar in np.split(steps(part, length), max(1, length // size))]


def _tonal(pitches: np.ndarray) -> np.ndarray | None:
    """The point of a half bar in tonal space, (6,); None if it is silent."""
    sounding = pitches[pitches != LINE_REST]
    if not len(sounding):
        return None
    chroma = np.bincount(sounding % 12, minlength=12) / len(sounding)
    angles = np.pi * np.arange(12)
    circles = [(r * np.sin(angles * step), r * np.cos(angles * step)) for step, r in _CIRCLES]
    return np.array([axis @ chroma for circle in circles for axis in circle])
