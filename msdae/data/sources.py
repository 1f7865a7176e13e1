"""A file of sound to be cut into clips, and what is known about it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from msdae import audio
from msdae.codecs.base import Codec
from msdae.errors import UserError
from msdae.symbolic.midi import read_midi

# Split names in a cache.
SPLITS = ("train", "valid", "test", "unseen")
SEEN_SPLITS = SPLITS[:3]
SILENCE = 1e-3  # peak below which a clip is left out (-60 dBFS)


@dataclass(frozen=True)
class ClipLength:
    """The length of a clip; by default that of the codec which ships, 32 latent frames of 4 096 samples.

    samples: the length, at `sample_rate` in Hz.
    """

    samples: int = 131072
    sample_rate: int = audio.SAMPLE_RATE

    @staticmethod
    def of(codec: Codec) -> "ClipLength":
        """The length of the clips that `codec` encodes."""
        return ClipLength(codec.clip_samples, codec.sample_rate)

    @property
    def seconds(self) -> float:
        """The length in seconds."""
        return self.samples / self.sample_rate

    def at(self, sample_rate: int) -> int:
        """Samples at another rate that hold a clip."""
        return -(-self.samples * sample_rate // self.sample_rate)


@dataclass(frozen=True)
class SourceFile:
    """One file of sound.

    Attributes:
        name: unique in its split; clips are named after it.
        path: of the sound.
        clips: how many are expected, from number `first` on: all complete clips of the file, or some of them.
        labels: those of every clip of the file; `notes` among them are in seconds from the file's start.
        midi: file of the notes, if they are not in the labels.
        first: number of the first clip; those before it are in another split.
        whole: whether all of the file is meant, with what is left over behind its last clip; otherwise the
            rest may be in another split.
        digest: of the file's bytes (see `files.digest`), where it is known.
    """

    name: str
    path: Path
    clips: int
    labels: dict[str, Any] = field(default_factory=dict)
    midi: Path | None = None
    first: int = 0
    whole: bool = True
    digest: str = ""


def complete_clips(path: Path, clip: ClipLength = ClipLength()) -> int:
    """How many clips the recording holds, one at least.

    Raises:
        UserError: unreadable, or shorter than one clip.
    """
    clips = audio.open_recording(path, clip.sample_rate).samples // clip.samples
    if clips == 0:
        raise UserError(f"{path}: shorter than one clip; at least {clip.seconds:.2f} s are needed")
    return clips


def cut(path: Path, clip: ClipLength = ClipLength()) -> Iterator[torch.Tensor]:
    """The recording clip by clip, (samples,) each; the last one is shorter where the file ends inside it.

    Raises:
        UserError: unreadable, or cut short.
    """
    buffer = torch.zeros(0)
    for block in audio.open_recording(path, clip.sample_rate).blocks():
        buffer = torch.cat([buffer, block])
        while len(buffer) >= clip.samples:
            yield buffer[: clip.samples]
            buffer = buffer[clip.samples :]
    if len(buffer):
        yield buffer


def is_silent(waveform: torch.Tensor) -> bool:
    """Whether the clip `waveform`, (samples,), has no sound."""
    return float(waveform.abs().max()) < SILENCE


def read_notes(path: Path) -> list[list]:
    """[onset s, offset s, pitch, velocity] of every note of a MIDI file, by onset.

    Raises:
        UserError: not a MIDI file, or one without notes.
    """
    notes = [list(note) for note in read_midi(path)]
    if not notes:
        raise UserError(f"{path}: MIDI without notes; the stem cannot be labelled")
    return notes
