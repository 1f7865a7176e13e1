"""Data sets, their preparation and the cache that training reads."""

from msdae.data.cache import Batch, ClipCache
from msdae.data.embedded import embedded
from msdae.data.shards import ShardStream

__all__ = ["Batch", "ClipCache", "ShardStream", "embedded"]
