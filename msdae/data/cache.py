"""Encoded clips on disk, memory-mapped, with a manifest that says how they were made."""

import functools
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from msdae import audio
from msdae.audio.mel import MelConfig
from msdae.codecs.base import Codec
from msdae.data import order
from msdae.data.clips import CLIP_SAMPLES
from msdae.errors import UserError

FORMAT = 1
LATENTS, MELS, CLIPS, MANIFEST = "latents.npy", "mels.npy", "clips.jsonl", "manifest.json"


@dataclass(frozen=True)
class Batch:
    """Clips of a data set and what an encoder may read in their place; the first dimension is over clips.

    z: latents of the clips, (batch, channels, frames), float32; what a model learns to denoise.
    mel: log-mels x3 of the clips, (batch, bands, mel frames), float32.
    timbre, content: x3 that pooled levels and the other levels read; `mel` itself, or views of other clips
        (see `msdae.data.views`).
    sound, content_sound: (batch,), numbers of the sounds that play the clips and the clips of `content`.
    pitches: (batch, frames), a number for the set of pitches that sounds in each latent frame, equal for
        equal sets; -1 where the notes are not known.
    names, indices: of the clips in their cache.
    """

    z: torch.Tensor
    mel: torch.Tensor
    timbre: torch.Tensor
    content: torch.Tensor
    sound: torch.Tensor
    content_sound: torch.Tensor
    pitches: torch.Tensor
    names: list[str]
    indices: list[int]


def plain_batch(
    z: torch.Tensor,
    mel: torch.Tensor,
    clips: Sequence[dict[str, Any]],
    indices: Sequence[int],
    sounds: np.ndarray,
    seconds: float,
) -> Batch:
    """The clips themselves as a batch; every level reads the clip.

    clips: labels of the clips of the batch. sounds: numbers of their sounds. seconds: length of a clip.
    """
    sound = torch.from_numpy(np.asarray(sounds, np.int64))
    pitches = np.stack([pitch_sets(clip.get("notes"), z.shape[-1], seconds) for clip in clips])
    names = [clip["name"] for clip in clips]
    return Batch(z, mel, mel, mel, sound, sound, torch.from_numpy(pitches), names, list(indices))


def pitch_sets(notes: Sequence[Sequence] | None, frames: int, seconds: float) -> np.ndarray:
    """A number for the set of pitches that sounds in each of `frames` frames: (frames,), int64.

    Equal sets have equal numbers, 0 is silence; -1 everywhere without notes. Source: Zobrist 1970, hashing.
    """
    if notes is None:
        return np.full(frames, -1)
    keys = np.random.default_rng(0).integers(1, 2**62, size=128)
    numbers = np.zeros(frames, np.int64)
    for onset, offset, pitch, *_ in notes:
        first, last = int(onset / seconds * frames), round(offset / seconds * frames)
        numbers[first : max(first + 1, last)] ^= keys[int(pitch)]
    return numbers


def sound_of(clip: dict[str, Any]) -> str:
    """What plays a clip: its label `sound`, else the instrument of a note, the stem or the recording."""
    if "sound" in clip:
        return f"sound {clip['sound']}"
    if clip.get("pitch") is not None:
        return f"instrument {clip['instrument']}"
    return f"stem {clip.get('stem', clip.get('piece', clip['name']))}"


class ClipCache:
    """The clips of one split.

    Attributes:
        manifest: how the cache was made, and the measured mean and standard deviation of its latents.
        clips: one dictionary of labels a clip; `path` is the recording it was cut from, `start` (s) where.

    Raises:
        UserError: not a cache, an incomplete one, or one of a newer format.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.manifest = read_manifest(self.path)
        if "shards" in self.manifest:
            raise UserError(f"{self.path}: holds shards for streaming; read it with msdae.data.ShardStream")
        try:
            self.latents = np.load(self.path / LATENTS, mmap_mode="r", allow_pickle=False)
            self.mels = np.load(self.path / MELS, mmap_mode="r", allow_pickle=False)
            lines = (self.path / CLIPS).read_text().splitlines()
        except (OSError, ValueError) as error:
            raise UserError(f"{self.path}: incomplete ({error}); delete it and prepare it again") from error
        root = source_root(self.path, self.manifest)
        self.clips = [_with_path(json.loads(line), root) for line in lines]
        if not len(self.clips) == len(self.latents) == len(self.mels) == self.manifest["clips"]:
            raise UserError(f"{self.path}: its files differ in length; delete it and prepare it again")

    def __len__(self) -> int:
        return len(self.clips)

    def __reduce__(self):
        return ClipCache, (self.path,)  # a worker process maps the files itself

    def require(self, codec: Codec, mel: MelConfig) -> None:
        """Check that the cache was made with this codec and these mel settings.

        Raises:
            UserError: it was not; the message names what differs.
        """
        require(self.path, self.manifest, codec, mel)

    def batch(self, indices: Sequence[int]) -> Batch:
        """The clips at `indices`."""
        chosen = np.asarray(indices)
        z, mel = _read(self.latents, chosen), _read(self.mels, chosen)
        clips = [self.clips[index] for index in chosen]
        return plain_batch(z, mel, clips, chosen.tolist(), self.sounds[chosen], self.clip_seconds)

    @functools.cached_property
    def sounds(self) -> np.ndarray:
        """The number of the sound that plays each clip: (clips,), int64."""
        return np.unique([sound_of(clip) for clip in self.clips], return_inverse=True)[1]

    @property
    def clip_seconds(self) -> float:
        """Length of a clip in seconds."""
        return CLIP_SAMPLES / audio.SAMPLE_RATE

    def batches(
        self, batch_size: int, seed: int = 0, start: int = 0, rank: int = 0, world: int = 1
    ) -> Iterator[Batch]:
        """Endless batches from step `start`; the global batch of a step depends on seed and step only.

        batch_size: of all ranks together; a rank gets `batch_size // world` clips of it.
        """
        for indices in order.batches(len(self), batch_size, seed, start, rank, world):
            yield self.batch(indices)

    def waveform(self, index: int) -> torch.Tensor:
        """The sound of a clip: (131072,), read from the recording it was cut from.

        Raises:
            UserError: the recording is no longer there, or has changed.
        """
        clip = self.clips[index]
        start = round(clip["start"] * audio.SAMPLE_RATE)
        waveform = audio.read(clip["path"])[start : start + CLIP_SAMPLES]
        if len(waveform) < CLIP_SAMPLES:
            raise UserError(f"{clip['path']}: shorter than when {self.path} was made; prepare the data again")
        return waveform


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a cache or of a folder of shards.

    Raises:
        UserError: none there, damaged, or of a newer format.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text())
        newer = manifest["format"] > FORMAT
    except OSError as error:
        raise UserError(f"{folder}: not a prepared data set (no {MANIFEST}); run prepare_data.py") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: damaged; delete {folder} and prepare it again") from error
    if newer:
        raise UserError(f"{path}: made by a newer msdae (format {manifest['format']}); upgrade msdae")
    return manifest


def require(folder: Path, manifest: dict[str, Any], codec: Codec, mel: MelConfig) -> None:
    """See `ClipCache.require`."""
    made = manifest["codec"]
    if made["fingerprint"] != codec.fingerprint:
        raise UserError(
            f"{folder}: made with codec '{made['name']}' ({made['fingerprint'][:12]}), "
            f"this is '{codec.name}' ({codec.fingerprint[:12]}); prepare the data again with this codec"
        )
    differing = [
        f"{key} is {manifest['mel'].get(key)} there, {value} here"
        for key, value in asdict(mel).items()
        if manifest["mel"].get(key) != value
    ]
    if differing:
        raise UserError(f"{folder}: other mel settings ({'; '.join(differing)}); prepare the data again")


def source_root(folder: Path, manifest: dict[str, Any]) -> Path:
    """The folder that the clips' `path` labels start from."""
    return Path(os.path.normpath(folder / manifest["source"]))


def install(temporary: Path, folder: Path) -> None:
    """Move a complete folder into place in one step; one that is there already was made by the same work."""
    try:
        temporary.rename(folder)
    except OSError:
        if not (folder / MANIFEST).exists():
            raise
        shutil.rmtree(temporary)


def _read(array: np.ndarray, chosen: np.ndarray) -> torch.Tensor:
    # Widened by numpy, on this thread alone: torch's threads would compete with the training step's.
    return torch.from_numpy(array[chosen].astype(np.float32))


def _with_path(clip: dict[str, Any], root: Path) -> dict[str, Any]:
    return {**clip, "path": str(root / clip["path"])}
