"""Several caches, read as one."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from msdae.audio.mel import MelConfig
from msdae.codecs.base import Codec
from msdae.data.cache import Batch, ClipCache
from msdae.errors import UserError
from msdae.synthesis.sound import DRY, PRESET, SAMPLES

LOCAL = ("name", "stem", "score")  # labels that mean something within one cache only


class JoinedCaches(ClipCache):
    """The clips of several caches in a row.

    Attributes:
        manifest: that of the first, with the number of all clips and the statistics of all latents.
        clips: as `ClipCache`; labels that mean something else in another cache start with their folder.

    Raises:
        UserError: the caches are of different codecs.
    """

    def __init__(self, caches: Iterable[ClipCache]):
        self.caches = tuple(caches)
        self.starts = np.cumsum([0, *(len(cache) for cache in self.caches)])
        self.path = self.caches[0].path
        self.clips = [_marked(clip, cache) for cache in self.caches for clip in cache.clips]
        manifests = [cache.manifest for cache in self.caches]
        if len({manifest["codec"]["fingerprint"] for manifest in manifests}) > 1:
            names = ", ".join(f"{c.path}: {c.manifest['codec']['name']}" for c in self.caches)
            raise UserError(f"made with different codecs ({names}); prepare them again with one")
        self.manifest = {
            **manifests[0],
            "dataset": " + ".join(manifest["dataset"] for manifest in manifests),
            "clips": len(self.clips),
            "latent": _statistics([m["latent"] for m in manifests], [m["clips"] for m in manifests]),
        }

    def __reduce__(self):
        return JoinedCaches, (self.caches,)

    def require(self, codec: Codec, mel: MelConfig) -> None:
        """As `ClipCache.require`, for every cache."""
        for cache in self.caches:
            cache.require(codec, mel)

    def latent(self, indices: Sequence[int]) -> torch.Tensor:
        """As `ClipCache.latent`."""
        return self._read(np.asarray(indices), "latent")

    def mel(self, indices: Sequence[int]) -> torch.Tensor:
        """As `ClipCache.mel`."""
        return self._read(np.asarray(indices), "mel")

    def _read(self, indices: np.ndarray, array: str) -> torch.Tensor:
        """The latents or mels (`array`: "latent" or "mel") of the clips, in the order of `indices`."""
        numbers = np.searchsorted(self.starts, indices, side="right") - 1
        parts = [
            getattr(self.caches[number], array)(indices[numbers == number] - self.starts[number])
            for number in np.unique(numbers)
        ]
        order = np.argsort(numbers, kind="stable")
        return torch.cat(parts)[torch.from_numpy(np.argsort(order))]


def joined_batch(batches: Sequence[Batch]) -> Batch:
    """Several batches as one, in a row."""
    if len(batches) == 1:
        return batches[0]
    fields = ("z", "mel", "timbre", "content", "sound", "content_sound", "pitches")
    tensors = [torch.cat([getattr(batch, field) for batch in batches]) for field in fields]
    return Batch(*tensors, *(sum((getattr(b, field) for b in batches), []) for field in ("names", "indices")))


def _marked(clip: dict[str, Any], cache: ClipCache) -> dict[str, Any]:
    """The labels of a clip; labels that mean something in its cache only are marked by the cache's folder.

    Dry voices of a SoundFont, dry samples, dry presets and the instruments of NSynth are the same everywhere.
    Other sounds are drawn from a seed, and the instruments of rendered notes are numbered from the first
    SoundFont on.
    """
    local = [key for key in LOCAL if key in clip]
    if "piece" in clip and not {"sound", "stem"} & clip.keys():
        local.append("piece")  # by which sounds are told apart, then
    labels = {**clip, **{key: f"{cache.path}/{clip[key]}" for key in local}}
    sound, rendered = clip.get("sound"), cache.manifest.get("dataset") != "nsynth"
    if sound is None and clip.get("pitch") is not None and rendered:
        sound = clip["instrument"]
    if sound is not None:
        everywhere = str(sound).startswith((DRY, SAMPLES, PRESET))
        labels["sound"] = sound if everywhere else f"{cache.path}/{sound}"
    return labels


def _statistics(latents: Sequence[dict[str, Any]], clips: Sequence[int]) -> dict[str, Any]:
    """Mean of each channel and deviation of all values about it, of all clips, from those of each cache."""
    weights = np.array(clips) / sum(clips)
    means = np.array([latent["mean"] for latent in latents])
    mean = weights @ means
    variances = np.array([latent["std"] for latent in latents]) ** 2 + ((means - mean) ** 2).mean(axis=1)
    return {"mean": mean.tolist(), "std": float(np.sqrt(weights @ variances))}
