"""The tasks of probes, and the labels that answer them.

Classes and values are read from time averages by an MLP, frames from sequences by a BiLSTM. NSynth has pitch,
instrument and velocity; Slakh has instrument and notes. Neither has labels of loudness or tempo. Velocity
stands for loudness, and the median interval between onsets for tempo (though it cannot tell bars from beats).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Clip = Mapping[str, Any]  # a label record of the cache
CLASSES, VALUE, FRAMES = "classes", "value", "frames"

PITCHES = 128  # of MIDI
SAME_ONSET = 0.03  # s; onsets that are not farther apart belong to one chord
INTERVALS = 3  # intervals between onsets that a median needs


@dataclass(frozen=True)
class Task:
    """A task that a probe is asked to solve.

    kind: CLASSES (an answer is a string), VALUE (a number) or FRAMES ((frames, outputs) of 0 and 1).
    answer: function of a clip's labels, its number of latent frames and its seconds; None without an answer.
    sets: the kinds of clips that are asked, "notes" or "melodies".
    """

    kind: str
    answer: Callable[[Clip, int, float], Any]
    sets: tuple[str, ...]

    @property
    def metric(self) -> str:
        """The name of the score.

        It is accuracy, R2 relative to the mean of the clips fitted on, or F1 over all frames and outputs.
        """
        return {CLASSES: "accuracy", VALUE: "R2", FRAMES: "F1"}[self.kind]


def _label(name: str) -> Callable[[Clip, int, float], str | None]:
    return lambda clip, frames, seconds: None if clip.get(name) is None else str(clip[name])


def _velocity(clip: Clip, frames: int, seconds: float) -> float | None:
    return None if clip.get("velocity") is None else float(clip["velocity"])


def _melody(clip: Clip, frames: int, seconds: float) -> np.ndarray | None:
    """Which pitches sound in each frame, (frames, 128)."""
    if clip.get("notes") is None:
        return None
    roll = np.zeros((frames, PITCHES), dtype=np.float32)
    for onset, offset, pitch, _ in clip["notes"]:
        start = _frame(onset, frames, seconds)
        roll[start : max(start + 1, round(offset / seconds * frames)), int(pitch)] = 1
    return roll


def _onset(clip: Clip, frames: int, seconds: float) -> np.ndarray | None:
    """Whether a note starts in each frame, (frames, 1)."""
    if clip.get("notes") is None:
        return None
    starts = np.zeros((frames, 1), dtype=np.float32)
    starts[[_frame(note[0], frames, seconds) for note in clip["notes"]]] = 1
    return starts


def _density(clip: Clip, frames: int, seconds: float) -> float | None:
    """log2 of the number of notes per second."""
    return float(np.log2(len(clip["notes"]) / seconds)) if clip.get("notes") else None


def _interval(clip: Clip, frames: int, seconds: float) -> float | None:
    """log2 of the median interval between onsets, in seconds."""
    onsets = np.sort([note[0] for note in clip.get("notes") or []])
    intervals = np.diff(onsets)
    intervals = intervals[intervals > SAME_ONSET]
    return float(np.log2(np.median(intervals))) if len(intervals) >= INTERVALS else None


def _frame(onset: float, frames: int, seconds: float) -> int:
    return min(int(onset / seconds * frames), frames - 1)


TASKS = {
    "pitch": Task(CLASSES, _label("pitch"), ("notes",)),
    "instrument": Task(CLASSES, _label("family"), ("notes", "melodies")),
    "program": Task(CLASSES, _label("instrument"), ("notes", "melodies")),
    "velocity": Task(VALUE, _velocity, ("notes",)),
    "melody": Task(FRAMES, _melody, ("melodies",)),
    "onset": Task(FRAMES, _onset, ("melodies",)),
    "density": Task(VALUE, _density, ("melodies",)),
    "interval": Task(VALUE, _interval, ("melodies",)),
}
