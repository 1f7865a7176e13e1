"""Data sets, their preparation and the caches that training reads."""

from pathlib import Path

from msdae.data.cache import Batch, ClipCache, read_manifest
from msdae.data.embedded import embedded
from msdae.data.shards import ShardStream

Clips = ClipCache | ShardStream  # what can be trained on: a manifest, `require` and `batches`

__all__ = ["Batch", "ClipCache", "Clips", "ShardStream", "embedded", "open_clips"]


def open_clips(path: str | Path) -> Clips:
    """The clips of one prepared split, whether they are a memory-mapped cache or shards.

    Raises:
        UserError: not a prepared split, or a damaged one.
    """
    return ShardStream(path) if "shards" in read_manifest(Path(path)) else ClipCache(path)
