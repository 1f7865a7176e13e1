"""Data sets, their preparation and the caches that training reads."""

from typing import TYPE_CHECKING

from msdae.lazy import getter

if TYPE_CHECKING:
    from msdae.data.cache import Batch, ClipCache
    from msdae.data.defaults import embedded
    from msdae.data.opening import Clips, open_clips
    from msdae.data.shards import ShardStream

__all__ = ["Batch", "ClipCache", "Clips", "ShardStream", "embedded", "open_clips"]

__getattr__ = getter(
    __name__,
    {
        "Batch": "msdae.data.cache:Batch",
        "ClipCache": "msdae.data.cache:ClipCache",
        "Clips": "msdae.data.opening:Clips",
        "ShardStream": "msdae.data.shards:ShardStream",
        "embedded": "msdae.data.defaults:embedded",
        "open_clips": "msdae.data.opening:open_clips",
    },
)
