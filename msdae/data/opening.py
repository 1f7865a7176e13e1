"""What can be trained on, opened."""

from pathlib import Path

from msdae.data.cache import ClipCache, read_manifest
from msdae.data.joined import JoinedCaches
from msdae.data.shards import ShardStream
from msdae.errors import UserError, printable

Clips = ClipCache | ShardStream  # what can be trained on: a manifest, `require` and `batches`


def open_clips(*paths: str | Path) -> Clips:
    """The clips of a prepared split, a memory-mapped cache or shards; of several caches, all as one.

    Raises:
        UserError: not a prepared split, a damaged one, or shards among several.
    """
    sharded = [path for path in paths if "shards" in read_manifest(Path(path))]
    if sharded and len(paths) > 1:
        raise UserError(
            f"{printable(sharded[0])}: holds shards, which are trained on alone, not with other folders; "
            "prepare it without --shards, into another --out"
        )
    if sharded:
        return ShardStream(paths[0])
    caches = [ClipCache(path) for path in paths]
    return caches[0] if len(caches) == 1 else JoinedCaches(caches)
