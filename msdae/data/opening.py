"""What can be trained on, opened."""

from pathlib import Path

from msdae.data.cache import ClipCache, read_manifest
from msdae.data.joined import JoinedCaches
from msdae.data.shards import ShardStream

Clips = ClipCache | ShardStream  # what can be trained on: a manifest, `require` and `batches`


def open_clips(*paths: str | Path) -> Clips:
    """The clips of a prepared split, a memory-mapped cache or shards; of several caches, all as one.

    Raises:
        UserError: not a prepared split, a damaged one, or shards among several.
    """
    if len(paths) == 1 and "shards" in read_manifest(Path(paths[0])):
        return ShardStream(paths[0])
    caches = [ClipCache(path) for path in paths]
    return caches[0] if len(caches) == 1 else JoinedCaches(caches)
