"""Several caches, read as one."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from msdae.audio.mel import MelConfig
from msdae.codecs.base import Codec
from msdae.data.cache import Batch, ClipCache, plain_batch
from msdae.errors import UserError

OWN = ("name", "stem", "score")  # labels that hold within one cache; instruments and sounds hold everywhere


class JoinedCaches(ClipCache):
    """The clips of several caches in a row.

    Attributes:
        manifest: of the first, with the number of all clips and the statistics of all latents.
        clips: as `ClipCache`; names, stems and scores start with the folder of their cache.

    Raises:
        UserError: caches of different codecs.
    """

    def __init__(self, caches: Iterable[ClipCache]):
        self.caches = tuple(caches)
        self.starts = np.cumsum([0, *(len(cache) for cache in self.caches)])
        self.clips = [_marked(clip, cache) for cache in self.caches for clip in cache.clips]
        manifests = [cache.manifest for cache in self.caches]
        if len({manifest["codec"]["fingerprint"] for manifest in manifests}) > 1:
            made = ", ".join(f"{c.path}: {c.manifest['codec']['name']}" for c in self.caches)
            raise UserError(f"made with different codecs ({made}); prepare them again with one")
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

    def batch(self, indices: Sequence[int]) -> Batch:
        """The clips at `indices`."""
        chosen = np.asarray(indices)
        which = np.searchsorted(self.starts, chosen, side="right") - 1
        order = np.argsort(which, kind="stable")
        parts = [
            self.caches[number].batch(chosen[which == number] - self.starts[number])
            for number in np.unique(which)
        ]
        back = torch.from_numpy(np.argsort(order))
        z, mel = (torch.cat([getattr(part, key) for part in parts])[back] for key in ("z", "mel"))
        clips = [self.clips[index] for index in chosen]
        return plain_batch(z, mel, clips, chosen.tolist(), self.sounds[chosen], self.clip_seconds)


def _marked(clip: dict[str, Any], cache: ClipCache) -> dict[str, Any]:
    return {**clip, **{key: f"{cache.path}/{clip[key]}" for key in OWN if key in clip}}


def _statistics(latents: Sequence[dict[str, Any]], clips: Sequence[int]) -> dict[str, Any]:
    """Mean of each channel and deviation of all values about it, of all clips, from those of each cache."""
    weights = np.array(clips) / sum(clips)
    means = np.array([latent["mean"] for latent in latents])
    mean = weights @ means
    variances = np.array([latent["std"] for latent in latents]) ** 2 + ((means - mean) ** 2).mean(axis=1)
    return {"mean": mean.tolist(), "std": float(np.sqrt(weights @ variances))}
