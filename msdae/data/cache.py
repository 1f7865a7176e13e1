"""Encoded clips on disk, memory-mapped, with a manifest that says how they were made."""

import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from msdae import audio, codecs
from msdae.audio.mel import MelConfig
from msdae.codecs.base import Codec
from msdae.data import order
from msdae.data.draws import CPU
from msdae.data.labels import MELODY, NOTE, check_clip, is_plain_name
from msdae.errors import UserError, printable
from msdae.files import read_json, read_json_lines, reading
from msdae.limits import FINITE, Range

FORMAT = 2
LATENTS, MELS, CLIPS, MANIFEST = "latents.npy", "mels.npy", "clips.jsonl", "manifest.json"
FRAMES = 32  # latent frames of a clip, if a manifest does not say
AGAIN = "delete its folder and prepare it again"
SIZE = Range(1, 10**9)
SIZES = {"hop": 4096, "sample_rate": 44100, "channels": 64}  # of the codec, if a manifest does not say


@dataclass(frozen=True)
class Batch:
    """Clips of a data set and what an encoder may read in their place; the first dimension is over clips.

    z: latents of the clips, (batch, channels, frames), float32; what a model learns to denoise.
    mel: log-mels x3 of the clips, (batch, bands, mel frames), float32.
    timbre, content: log-mels that pooled levels and the other levels read: `mel` itself, or views of other
        clips (see `msdae.data.views`).
    sound, content_sound: (batch,), numbers of the sounds that play the clips and the clips of `content`.
    pitches: (batch, frames), for each latent frame a number that stands for the set of pitches that sounds in
        it; -1 where the notes are not known.
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
    keys = _keys()
    sounding = np.zeros((len(keys), frames), bool)  # a pitch that two notes have in a frame counts once
    for onset, offset, pitch, *_ in notes:
        first, last = int(onset / seconds * frames), round(offset / seconds * frames)
        sounding[int(pitch), first : max(first + 1, last)] = True
    return np.bitwise_xor.reduce(sounding * keys[:, None], axis=0)


@functools.cache
def _keys() -> np.ndarray:
    """A number for each pitch."""
    return np.random.default_rng(0).integers(1, 2**62, size=128)


def sound_of(clip: dict[str, Any]) -> str:
    """What plays a clip: its label `sound`, else the instrument of a note, the stem or the recording."""
    if "sound" in clip:
        return f"sound {clip['sound']}"
    if clip.get("pitch") is not None:
        return f"instrument {clip['instrument']}"
    return f"stem {clip.get('stem', clip.get('piece', clip['name']))}"


def score_of(clip: dict[str, Any]) -> str:
    """A name for the notes that a clip plays, equal for equal notes: its label `score` and its place there,
    else its pitch if it is a note, else a name that no other clip has."""
    if "score" in clip:
        start = clip.get("start")
        return f"score {clip['score']}" + (f" from {start} s" if start else "")
    return f"pitch {clip['pitch']}" if clip.get("pitch") is not None else f"clip {clip['name']}"


class ClipCache:
    """The clips of one split.

    Attributes:
        manifest: how the cache was made, and the measured mean and standard deviation of its latents.
        clips: for each clip a dictionary of its labels. `path` is the recording that it was cut from, `start`
            the place in it and `seconds` its length, both in s; `kind` is "note" or "melody", if known.
        device: where batches are.

    Raises:
        UserError: the folder is no cache, or a damaged or incomplete one, or one of a newer format.
    """

    device = CPU

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.manifest = read_manifest(self.path)
        if "shards" in self.manifest:
            raise UserError(f"{self.path}: holds shards for streaming; read it with msdae.data.ShardStream")
        self.latents, self.mels = (_array(self.path / name) for name in (LATENTS, MELS))
        root = source_root(self.path, self.manifest)
        self.clips = _clips(self.path / CLIPS)
        for clip in self.clips:
            clip |= {"path": str(root / clip["path"]), "seconds": self.clip_seconds}
        if not len(self.clips) == len(self.latents) == len(self.mels) == self.manifest["clips"]:
            raise UserError(f"{printable(self.path)}: its files differ in length; {AGAIN}")
        require_shapes(self.path, self.manifest, self.latents, self.mels)

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
        indices = np.asarray(indices)
        z, mel = self.latent(indices), self.mel(indices)
        clips = [self.clips[index] for index in indices]
        return plain_batch(z, mel, clips, indices.tolist(), self.sounds[indices], self.clip_seconds)

    def sound(self, indices: Sequence[int]) -> torch.Tensor:
        """The numbers of the sounds of the clips at `indices`, (clips,)."""
        return torch.from_numpy(self.sounds[np.asarray(indices)])

    def latent(self, indices: Sequence[int]) -> torch.Tensor:
        """The latents of the clips at `indices` alone: (clips, channels, frames), float32."""
        return _read(self.latents, np.asarray(indices))

    def mel(self, indices: Sequence[int]) -> torch.Tensor:
        """The log-mels of the clips at `indices` alone: (clips, bands, mel frames), float32."""
        return _read(self.mels, np.asarray(indices))

    @functools.cached_property
    def sounds(self) -> np.ndarray:
        """The number of the sound that plays each clip: (clips,), int64."""
        return np.unique([sound_of(clip) for clip in self.clips], return_inverse=True)[1]

    @property
    def clip_seconds(self) -> float:
        """Length of a clip in seconds."""
        return seconds_of(self.manifest)

    @property
    def sample_rate(self) -> int:
        """Of the codec and of `waveform`, in Hz."""
        return sizes_of(self.manifest)["sample_rate"]

    def runs(
        self, batch_size: int, seed: int = 0, start: int = 0, rank: int = 0, world: int = 1
    ) -> Iterator[list[tuple["ClipCache", np.ndarray]]]:
        """Which clips `batches` reads: for each step, the stores of clips and the indices in each of them."""
        for indices in order.batches(len(self), batch_size, seed, start, rank, world):
            yield [(self, indices)]

    def batches(
        self, batch_size: int, seed: int = 0, start: int = 0, rank: int = 0, world: int = 1
    ) -> Iterator[Batch]:
        """Endless batches from step `start`; the global batch of a step depends on seed and step only.

        batch_size: of all ranks together; a rank gets `batch_size // world` clips of it.
        """
        for ((_, indices),) in self.runs(batch_size, seed, start, rank, world):
            yield self.batch(indices)

    def waveform(self, index: int, sample_rate: int | None = None) -> torch.Tensor:
        """The sound of a clip: (samples,), read from the recording it was cut from.

        sample_rate: Hz; by default the codec's, which the cache was made with.

        Raises:
            UserError: the recording is missing, or has changed.
        """
        clip, rate = self.clips[index], sample_rate or self.sample_rate
        start, samples = round(clip["start"] * rate), round(self.clip_seconds * rate)
        recording = audio.open_recording(clip["path"], rate)
        if recording.samples < start + samples - 1:  # all three are rounded
            raise UserError(f"{clip['path']}: shorter than when it was prepared; prepare the data again")
        return recording.part(start, samples)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a cache or of a folder of shards.

    Raises:
        UserError: none there, damaged, or of a newer format.
    """
    path = folder / MANIFEST
    if not path.exists():
        raise UserError(f"{printable(folder)}: not a prepared data set (no {MANIFEST}); run prepare_data.py")
    manifest = read_json(path, dict, AGAIN)
    with reading(path, AGAIN):
        version = manifest["format"]
        if type(version) is not int:
            raise ValueError(f"format is {str(version)[:40]!r}")
        if version > FORMAT:
            raise UserError(f"{printable(path)}: made by a newer msdae (format {version}); upgrade msdae")
        _check_manifest(manifest)
    return manifest


def _check_manifest(manifest: dict[str, Any]) -> None:
    """Raise ValueError or LookupError if an entry is missing, of another type or out of range."""
    codec, latent, sizes = manifest["codec"], manifest["latent"], sizes_of(manifest)
    for name, value, kind in (
        *((name, manifest[name], str) for name in ("key", "dataset", "split", "source")),
        ("codec's name", codec["name"], str),
        ("codec's fingerprint", codec["fingerprint"], str),
        ("mel", manifest["mel"], dict),
        ("shards", manifest.get("shards", {}), dict),
    ):
        if not isinstance(value, kind):
            raise ValueError(f"{name} is {str(value)[:40]!r}")
    shards = manifest.get("shards", {})
    counts = [manifest["clips"], manifest.get("frames", FRAMES), *sizes.values(), *shards.values()]
    if not all(type(count) is int and count in SIZE for count in counts):
        raise ValueError(f"sizes are {str(counts)[:60]}")
    if not all(is_plain_name(name) for name in shards) or "\0" in manifest["source"]:
        raise ValueError("a path that leads elsewhere")
    numbers = [manifest["mel"]["gain"], latent["std"], *latent["mean"]]
    if not all(type(number) in (int, float) and number in FINITE for number in numbers):
        raise ValueError("mel or latent without numbers")
    if latent["std"] <= 0:
        raise ValueError("latents that do not vary")
    if len(latent["mean"]) != sizes["channels"]:
        raise ValueError(f"latents of {len(latent['mean'])} channels, its codec has {sizes['channels']}")


def _array(path: Path) -> np.ndarray:
    """The array (clips, rows, columns) of floats in a npy file, memory-mapped."""
    with reading(path, AGAIN):
        array = np.lib.format.open_memmap(path, mode="r")
        check_array(array, 3)
    return array


def check_array(array: np.ndarray, dimensions: int) -> None:
    """Raise ValueError unless the array has so many dimensions and is of floats."""
    if array.ndim != dimensions or array.dtype not in (np.float16, np.float32):
        raise ValueError(f"an array {array.shape} of {array.dtype}")


def _clips(path: Path) -> list[dict[str, Any]]:
    clips = read_json_lines(path, AGAIN)
    with reading(path, AGAIN):
        for clip in clips:
            check_clip(clip)
    return [with_kind(clip) for clip in clips]


def require_shapes(path: Path, manifest: dict[str, Any], latents: np.ndarray, mels: np.ndarray) -> None:
    """Raise a UserError about `path` unless its arrays are as large as its manifest says."""
    shape = sizes_of(manifest)["channels"], manifest.get("frames", FRAMES)
    if latents.shape[1:] != shape or mels.shape[1] != manifest["mel"].get("bands", mels.shape[1]):
        raise UserError(f"{printable(path)}: arrays of other shapes than {MANIFEST} says; {AGAIN}")


def require(folder: Path, manifest: dict[str, Any], codec: Codec, mel: MelConfig) -> None:
    """See `ClipCache.require`."""
    recorded = manifest["codec"]
    if recorded["fingerprint"] != codec.fingerprint:
        raise UserError(
            f"{folder}: made with codec '{recorded['name']}' ({recorded['fingerprint'][:12]}), "
            f"this is '{codec.name}' ({codec.fingerprint[:12]}); prepare the data again with this "
            f"codec, or train with --set model.codec.name={recorded['name']}"
        )
    known, wanted = manifest["mel"], asdict(mel)
    if differing := [key for key, value in wanted.items() if known.get(key) != value]:
        reason = "; ".join(f"{key} is {known.get(key)} there, {wanted[key]} here" for key in differing)
        settings = " ".join(f"--set model.mel.{key}={known.get(key)}" for key in differing)
        raise UserError(
            f"{folder}: other mel settings ({reason}); prepare the data again, with --mel-of CONFIG of the "
            f"training and another --out, or train a model for these with {settings}"
        )


def fits_shipped(manifest: dict[str, Any]) -> bool:
    """Whether the clips are of the codec and the mel that the model which ships was trained on."""
    try:
        require(Path(), manifest, codecs.load(codecs.DEFAULT), MelConfig())
    except UserError:
        return False
    return True


def source_root(folder: Path, manifest: dict[str, Any]) -> Path:
    """The folder that the clips' `path` labels start from."""
    return Path(os.path.normpath(folder / manifest["source"]))


def sizes_of(manifest: dict[str, Any]) -> dict[str, int]:
    """`hop`, `sample_rate` and `channels` of the codec that a cache was made with."""
    return {name: manifest["codec"].get(name, usual) for name, usual in SIZES.items()}


def seconds_of(manifest: dict[str, Any]) -> float:
    """Length of a clip of the cache in seconds."""
    sizes = sizes_of(manifest)
    return manifest.get("frames", FRAMES) * sizes["hop"] / sizes["sample_rate"]


def with_kind(clip: dict[str, Any]) -> dict[str, Any]:
    """The labels of a clip with `kind`, "note" or "melody", which caches of format 1 do not have."""
    if clip.get("kind") or clip.get("dataset") not in ("nsynth", "slakh", "squares"):
        return clip
    note = clip["dataset"] == "nsynth" or str(clip.get("piece")).startswith("note ")
    return {**clip, "kind": NOTE if note else MELODY}


def _read(array: np.ndarray, indices: np.ndarray) -> torch.Tensor:
    # Widened by numpy, on this thread alone: torch's threads would compete with the training step's.
    return torch.from_numpy(array[indices].astype(np.float32))
