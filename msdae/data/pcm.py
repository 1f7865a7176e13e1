"""Recordings decoded once, into one file of 16-bit samples that a training reads at random."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from msdae import audio, files, launcher
from msdae.data import parts
from msdae.locks import in_turn
from msdae.progress import Progress, silent

FULL_SCALE = 32768.0
GROUP = 256  # recordings that a process decodes at once
_LENGTH = 8  # bytes of a recording's length, which stand before all samples


@dataclass(frozen=True)
class Decoded:
    """Recordings one after the other.

    samples: (all samples,), int16, mono; on the CPU a memory map of the file.
    starts, lengths: (recordings,), int64, in samples.
    """

    samples: torch.Tensor
    starts: np.ndarray
    lengths: np.ndarray

    def to(self, device: torch.device) -> "Decoded":
        """The same with its samples on `device`, where they take less than half of what is free there."""
        if device.type != "cuda" or self.samples.nbytes > torch.cuda.mem_get_info(device)[0] / 2:
            return self
        return Decoded(self.samples.to(device), self.starts, self.lengths)


def key(paths: Sequence[Path]) -> str:
    """A hash of the names and bytes of the recordings; raises a UserError where one cannot be read."""
    entries = [[path.name, files.digest(path)] for path in paths]
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()[:16]


def decoded(paths: Sequence[Path], rate: int, folder: Path, progress: Progress = silent) -> Decoded:
    """The recordings, mono at `rate` Hz, from a file in `folder`, made on all cores if it is missing.

    Raises:
        UserError: a recording cannot be read, or the disk has no room.
    """
    path = folder / f"recordings-{rate}-{key(paths)}.pcm"
    if not path.exists():
        # another training may be at the same work, whose parts are gone once it has joined them
        turn = in_turn(path.with_suffix(".lock"), "decodes the same recordings")
        with turn if launcher.rank() == 0 else nullcontext():
            if not path.exists():
                _make(paths, rate, path, progress)
    lengths = np.fromfile(path, np.int64, len(paths))
    samples = np.memmap(path, np.int16, "c", offset=_LENGTH * len(paths))  # copies what is written: nothing
    return Decoded(torch.from_numpy(samples), np.cumsum(lengths) - lengths, lengths)


def _make(paths: Sequence[Path], rate: int, path: Path, progress: Progress) -> None:
    """Put the recordings into the file `path`, together with the other ranks."""
    groups = [list(paths[start : start + GROUP]) for start in range(0, len(paths), GROUP)]
    work = [
        parts.Part(_decode, (group, rate), path.with_name(f"{path.stem}-{number:04d}.part"), len(group))
        for number, group in enumerate(groups)
    ]
    parts.run(work, "decode", "file", progress=progress)
    pieces = [part.path for part in work]
    if launcher.rank() == 0:
        parts.wait_for(pieces)
        _join(pieces, [len(group) for group in groups], path)
    parts.wait_for([path], signs=pieces)  # the first process deletes them once they are joined


def _decode(task: tuple[Sequence[Path], int], path: Path) -> None:
    paths, rate = task
    recordings = [audio.open_recording(recording, rate) for recording in paths]
    lengths = np.array([recording.samples for recording in recordings], np.int64)
    with files.atomic(path) as temporary, temporary.open("wb") as out:
        out.write(lengths.tobytes())
        for recording in recordings:
            for block in recording.blocks():
                scaled = (block * FULL_SCALE).round().clamp(-FULL_SCALE, FULL_SCALE - 1)
                out.write(scaled.to(torch.int16).numpy().tobytes())


def _join(groups: Sequence[Path], sizes: Sequence[int], path: Path) -> None:
    """Put the lengths of all groups, then their samples, into one file."""
    with files.atomic(path) as temporary, temporary.open("wb") as out:
        for group, size in zip(groups, sizes, strict=True):
            with group.open("rb") as source:
                out.write(source.read(_LENGTH * size))
        for group, size in zip(groups, sizes, strict=True):
            with group.open("rb") as source:
                source.seek(_LENGTH * size)
                shutil.copyfileobj(source, out, 2**22)
    for group in groups:
        group.unlink()
