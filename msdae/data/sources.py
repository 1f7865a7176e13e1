"""A file of sound to be cut into clips, and what is known about it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msdae import audio
from msdae.data.clips import CLIP_SAMPLES, CLIP_SECONDS
from msdae.errors import UserError

# Split names in a cache, and what the data sets call theirs.
SPLITS = ("train", "valid", "test", "unseen")


@dataclass(frozen=True)
class SourceFile:
    """One file of sound.

    Attributes:
        name: unique in its split; clips are named after it.
        path: of the sound.
        clips: how many are expected: all whole clips of the file, or its first only.
        labels: of every clip of the file; `notes` among them are in seconds from the file's start.
        midi: where the notes stand, if not in the labels.
    """

    name: str
    path: Path
    clips: int
    labels: dict[str, Any] = field(default_factory=dict)
    midi: Path | None = None


def whole_clips(path: Path) -> int:
    """How many clips the recording holds, one at least.

    Raises:
        UserError: unreadable, or shorter than one clip.
    """
    clips = audio.open_recording(path).samples // CLIP_SAMPLES
    if clips == 0:
        raise UserError(f"{path}: shorter than one clip; at least {CLIP_SECONDS:.2f} s are needed")
    return clips
