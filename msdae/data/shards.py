"""The records of a cache as WebDataset tar shards, for sets that one disk does not hold.

Clips that share a sound or a score and follow each other lie in one shard, so that the views of a clip
(`msdae.data.views`) are in the shard that is read anyway.
"""

import io
import itertools
import json
import os
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from msdae.audio.mel import MelConfig
from msdae.codecs.base import Codec
from msdae.data import cache, order
from msdae.data.cache import AGAIN, Batch, check_array, plain_batch, score_of, sound_of, with_kind
from msdae.data.draws import CPU
from msdae.data.joined import joined_batch
from msdae.data.labels import check_clip
from msdae.errors import UserError, printable, required
from msdae.files import reading

MEMBERS = ("latent.npy", "mel.npy", "labels.json")
Record = tuple[np.ndarray, np.ndarray, dict[str, Any]]  # latent, mel, labels


def write(records: Iterable[Record], folder: Path, clips: int) -> dict[str, int]:
    """Write `shard-000000.tar`, ... of at most `clips` records each; return the number of records in each.

    Members are `KEY.latent.npy`, `KEY.mel.npy` and `KEY.labels.json`; nothing is pickled.

    Raises:
        UserError: webdataset is not installed.
    """
    webdataset = _webdataset()
    counts: dict[str, int] = {}
    index, name = 0, ""
    with ExitStack() as shard:
        for group in groups(records, clips):
            if not counts or counts[name] + len(group) > clips:
                shard.close()  # the one before
                name = f"shard-{len(counts):06d}.tar"
                writer = shard.enter_context(webdataset.TarWriter(str(folder / name), mtime=0))
                counts[name] = 0
            for record in group:
                writer.write(_sample(index, *record))
                index += 1
            counts[name] += len(group)
    return counts


def groups(records: Iterable[Record], most: int) -> Iterator[list[Record]]:
    """Runs of at most `most` records, each of which shares its sound or score with an earlier one in it."""
    group: list[Record] = []
    shared: set[str] = set()
    for record in records:
        keys = {sound_of(record[2]), score_of(record[2])}
        if group and (len(group) == most or not keys & shared):
            yield group
            group, shared = [], set()
        group.append(record)
        shared |= keys
    if group:
        yield group


class Shard:
    """The clips of one shard in memory, a store of clips as `ClipCache` is.

    Attributes:
        clips: labels. sounds: (clips,), numbers of the sounds that play them, equal in all shards.
        device: of the batches.

    Raises:
        UserError: damaged, or not of `count` clips.
    """

    device = CPU

    def __init__(self, path: Path, count: int, seconds: float):
        self.path, self.seconds = path, seconds
        with reading(path, AGAIN):
            samples = _samples(path)
            self.numbers = [int(key) for key in samples]
            self.clips = [json.loads(sample["labels.json"]) for sample in samples.values()]
            for clip in self.clips:
                check_clip(clip)
            self.latents, self.mels = (_stacked(samples, name) for name in ("latent.npy", "mel.npy"))
        self.clips = [with_kind(clip) for clip in self.clips]
        if len(self.clips) != count:
            raise UserError(f"{printable(path)}: has {len(self.clips)} of its {count} clips; {AGAIN}")
        self.sounds = np.array([zlib.crc32(os.fsencode(sound_of(clip))) for clip in self.clips])

    def batch(self, indices: Sequence[int]) -> Batch:
        """The clips at `indices` of this shard; the batch has their numbers in all shards."""
        clips = [self.clips[index] for index in indices]
        numbers = [self.numbers[index] for index in indices]
        latents = torch.from_numpy(self.latents[np.asarray(indices)]).float()
        return plain_batch(latents, self.mel(indices), clips, numbers, self.sounds[indices], self.seconds)

    def sound(self, indices: Sequence[int]) -> torch.Tensor:
        """The numbers of the sounds of the clips at `indices`, (clips,)."""
        return torch.from_numpy(self.sounds[np.asarray(indices)])

    def mel(self, indices: Sequence[int]) -> torch.Tensor:
        """The log-mels of the clips at `indices` alone: (clips, bands, mel frames), float32."""
        return torch.from_numpy(self.mels[np.asarray(indices)]).float()


def _samples(path: Path) -> dict[str, dict[str, bytes]]:
    """{key: {kind: bytes}} of the members KEY.KIND of a tar file.

    Raises:
        ValueError: damaged, or with members that no shard has.
    """
    samples: dict[str, dict[str, bytes]] = {}
    left = path.stat().st_size  # bytes that its members may have together
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                key, _, kind = member.name.partition(".")
                left -= member.size
                if not member.isreg() or not key.isdecimal() or kind not in MEMBERS or left < 0:
                    raise ValueError(f"member {member.name[:60]!r}")
                samples.setdefault(key, {})[kind] = archive.extractfile(member).read()
    except tarfile.TarError as error:
        raise ValueError(error) from error
    return samples


def _stacked(samples: dict[str, dict[str, bytes]], kind: str) -> np.ndarray:
    """The arrays of all samples in a row.

    Raises:
        ValueError, LookupError: one is missing or damaged, or they differ in shape.
    """
    arrays = [np.lib.format.read_array(io.BytesIO(sample[kind])) for sample in samples.values()]
    for array in arrays:
        check_array(array, 2)
    return np.stack(arrays)


class ShardStream:
    """Batches from the shards of one folder, read one shard at a time.

    An epoch visits the shards in a shuffled order and the clips inside each in a shuffled order.

    Attributes:
        manifest: as a cache's.

    Raises:
        UserError: not a folder of shards, or a damaged one.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.manifest = cache.read_manifest(self.path)
        if "shards" not in self.manifest:
            raise UserError(f"{printable(self.path)}: a cache, not shards; read it with msdae.data.ClipCache")
        self.shards: dict[str, int] = self.manifest["shards"]
        if sum(self.shards.values()) != len(self):
            raise UserError(f"{printable(self.path)}: its shards and its manifest differ in clips; {AGAIN}")
        self._shard: Shard | None = None  # the last one that was read

    def __len__(self) -> int:
        return self.manifest["clips"]

    def require(self, codec: Codec, mel: MelConfig) -> None:
        """As `ClipCache.require`."""
        cache.require(self.path, self.manifest, codec, mel)

    @property
    def clip_seconds(self) -> float:
        """Length of a clip in seconds."""
        return cache.seconds_of(self.manifest)

    def runs(
        self, batch_size: int, seed: int = 0, start: int = 0, rank: int = 0, world: int = 1
    ) -> Iterator[list[tuple[Shard, np.ndarray]]]:
        """As `ClipCache.runs`; the shards before step `start` are not read."""
        for step in itertools.count(start):
            places = [self._locate(p, seed) for p in order.positions(step, batch_size, rank, world)]
            runs = []
            for (epoch, turn), members in itertools.groupby(places, key=lambda item: item[0]):
                permutation = self._permutation(seed, epoch, turn)
                shard = self._read(self._order(seed, epoch)[turn])
                runs.append((shard, permutation[[place for _, place in members]]))
            yield runs

    def batches(
        self, batch_size: int, seed: int = 0, start: int = 0, rank: int = 0, world: int = 1
    ) -> Iterator[Batch]:
        """As `ClipCache.batches`."""
        for runs in self.runs(batch_size, seed, start, rank, world):
            yield joined_batch([shard.batch(indices) for shard, indices in runs])

    def _read(self, name: str) -> Shard:
        """A shard, kept in memory until another one is read: steps that follow each other share it, also the
        steps of a worker, which asks for each of them anew."""
        path = self.path / name
        if self._shard is None or self._shard.path != path:
            self._shard = Shard(path, self.shards[name], self.clip_seconds)
            cache.require_shapes(path, self.manifest, self._shard.latents, self._shard.mels)
        return self._shard

    def _locate(self, place: int, seed: int) -> tuple[tuple[int, int], int]:
        """((epoch, place of the shard in it), place of the clip in the shard) for a place in the stream."""
        epoch, place = divmod(place, len(self))
        for turn, name in enumerate(self._order(seed, epoch)):
            if place < self.shards[name]:
                return (epoch, turn), place
            place -= self.shards[name]
        raise AssertionError("the shards have as many clips as the manifest says")

    def _order(self, seed: int, epoch: int) -> list[str]:
        names = sorted(self.shards)
        return [names[index] for index in order.permutation(seed, epoch, len(names))]

    def _permutation(self, seed: int, epoch: int, turn: int) -> np.ndarray:
        """The order of the clips of the shard at `turn` in this epoch."""
        generator = np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, 0, turn + 1]))
        return generator.permutation(self.shards[self._order(seed, epoch)[turn]])


def _sample(index: int, latent: np.ndarray, mel: np.ndarray, labels: dict[str, Any]) -> dict[str, Any]:
    return {
        "__key__": f"{index:09d}",
        "latent.npy": _npy(latent),
        "mel.npy": _npy(mel),
        "labels.json": json.dumps(labels).encode(),
    }


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _webdataset() -> ModuleType:
    return required("webdataset", "shards need webdataset: pip install webdataset")
