"""The records of a cache as WebDataset tar shards, for sets that one disk does not hold."""

import io
import json
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from msdae.audio.mel import MelConfig
from msdae.codecs.base import Codec
from msdae.data import cache, order
from msdae.data.cache import Batch, plain_batch, sound_of
from msdae.data.clips import CLIP_SECONDS
from msdae.errors import UserError

Record = tuple[np.ndarray, np.ndarray, dict[str, Any]]  # latent, mel, labels


def write(records: Iterable[Record], folder: Path, clips: int) -> dict[str, int]:
    """Write `shard-000000.tar`, ... of `clips` records each; return the number of records in each.

    Members are `KEY.latent.npy`, `KEY.mel.npy` and `KEY.labels.json`; nothing is pickled.

    Raises:
        UserError: webdataset is not installed.
    """
    webdataset = _webdataset()
    counts: dict[str, int] = {}
    writer = None
    for index, (latent, mel, labels) in enumerate(records):
        if index % clips == 0:
            if writer is not None:
                writer.close()
            name = f"shard-{index // clips:06d}.tar"
            writer = webdataset.TarWriter(str(folder / name), mtime=0)
        writer.write(_sample(index, latent, mel, labels))
        counts[name] = counts.get(name, 0) + 1
    writer.close()
    return counts


class ShardStream:
    """Batches from the shards of one folder, read one shard at a time.

    An epoch visits the shards in a shuffled order and the clips inside each in a shuffled order.

    Attributes:
        manifest: as a cache's.

    Raises:
        UserError: not a folder of shards, or webdataset is not installed.
    """

    def __init__(self, path: str | Path):
        _webdataset()
        self.path = Path(path)
        self.manifest = cache.read_manifest(self.path)
        if "shards" not in self.manifest:
            raise UserError(f"{self.path}: a cache, not shards; read it with msdae.data.ClipCache")
        self.shards: dict[str, int] = self.manifest["shards"]

    def __len__(self) -> int:
        return self.manifest["clips"]

    def require(self, codec: Codec, mel: MelConfig) -> None:
        """As `ClipCache.require`."""
        cache.require(self.path, self.manifest, codec, mel)

    def batches(
        self, batch_size: int, seed: int = 0, start: int = 0, rank: int = 0, world: int = 1
    ) -> Iterator[Batch]:
        """As `ClipCache.batches`; the shards before step `start` are not read."""
        step = start
        held: tuple[int, int] | None = None
        samples: list[dict[str, bytes]] = []
        while True:
            records = []
            for place in order.positions(step, batch_size, rank, world):
                shard, index = self._locate(place, seed)
                if shard != held:
                    held, samples = shard, self._read(shard, seed)
                records.append(_decode(samples[index]))
            yield _batch(records)
            step += 1

    def _locate(self, place: int, seed: int) -> tuple[tuple[int, int], int]:
        """((epoch, place of the shard in it), place of the clip in the shard) for a place in the stream."""
        epoch, place = divmod(place, len(self))
        for turn, name in enumerate(self._order(seed, epoch)):
            if place < self.shards[name]:
                return (epoch, turn), place
            place -= self.shards[name]
        raise UserError(f"{self.path}: its manifest counts more clips than its shards have; prepare it again")

    def _order(self, seed: int, epoch: int) -> list[str]:
        names = sorted(self.shards)
        return [names[index] for index in order.permutation(seed, epoch, len(names))]

    def _read(self, shard: tuple[int, int], seed: int) -> list[dict[str, bytes]]:
        """All samples of a shard, still encoded, in this epoch's order."""
        epoch, turn = shard
        path = self.path / self._order(seed, epoch)[turn]
        try:
            samples = list(_webdataset().WebDataset(str(path), shardshuffle=False, empty_check=False))
        except (OSError, tarfile.TarError, ValueError) as error:
            raise UserError(f"{path}: damaged shard ({error}); prepare the data again") from error
        if len(samples) != self.shards[path.name]:
            raise UserError(
                f"{path}: has {len(samples)} of its {self.shards[path.name]} clips; prepare the data again"
            )
        shuffled = np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, 0, turn + 1]))
        return [samples[index] for index in shuffled.permutation(len(samples))]


def _sample(index: int, latent: np.ndarray, mel: np.ndarray, labels: dict[str, Any]) -> dict[str, Any]:
    return {
        "__key__": f"{index:09d}",
        "latent.npy": _npy(latent),
        "mel.npy": _npy(mel),
        "labels.json": json.dumps(labels).encode(),
    }


def _decode(sample: dict[str, bytes]) -> tuple[np.ndarray, np.ndarray, dict[str, Any], int]:
    members = (io.BytesIO(sample[name]) for name in ("latent.npy", "mel.npy"))
    latent, mel = (np.load(member, allow_pickle=False) for member in members)
    return latent, mel, json.loads(sample["labels.json"]), int(sample["__key__"])


def _batch(records: Sequence[tuple[np.ndarray, np.ndarray, dict[str, Any], int]]) -> Batch:
    latents, mels, clips, indices = zip(*records, strict=True)
    z, mel = (torch.from_numpy(np.stack(arrays)).float() for arrays in (latents, mels))
    sounds = np.array([zlib.crc32(sound_of(clip).encode()) for clip in clips])
    return plain_batch(z, mel, clips, indices, sounds, CLIP_SECONDS)


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _webdataset():
    try:
        import webdataset
    except ImportError as error:
        raise UserError("shards need webdataset: pip install webdataset") from error
    return webdataset
