"""The clips that probes are fitted on and scored on: no *group* of clips is on both sides.

The notes of one instrument and pitch are a group, whatever their velocity. The clips of one piece are a
group, whatever their stem.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msdae.analysis.probes.tasks import Clip
from msdae.data import ClipCache
from msdae.data.cache import MANIFEST
from msdae.errors import UserError

HELD_OUT = 0.3  # share of groups that probes are scored on if the data is a single cache


@dataclass(frozen=True)
class Split:
    """The clips to fit on and those to score on, each as a cache and indices into it."""

    fit: ClipCache
    fit_indices: np.ndarray
    test: ClipCache
    test_indices: np.ndarray


def group(clip: Clip) -> str:
    """The name of the clip's group: its pitch and instrument (or else sound), its piece, or else itself."""
    if clip.get("pitch") is not None:
        return f"note {clip.get('instrument', clip.get('sound'))} {clip['pitch']}"
    if clip.get("piece") is not None:
        return f"piece {clip['piece']}"
    return f"clip {clip['name']}"


def open_split(path: str | Path) -> Split:
    """The split of the data in `path`.

    A folder with the caches train/ and test/ is split by them, without training clips of tested groups; a
    single cache is split by groups.

    Raises:
        UserError: `path` is neither a cache nor a folder with the caches train/ and test/.
    """
    path = Path(path)
    if (path / MANIFEST).exists():
        cache = ClipCache(path)
        held_out = np.array([lot(group(clip)) < HELD_OUT for clip in cache.clips])
        return Split(cache, np.flatnonzero(~held_out), cache, np.flatnonzero(held_out))
    if not all((path / part / MANIFEST).exists() for part in ("train", "test")):
        raise UserError(
            f"{path}: neither a cache nor a folder with the caches train/ and test/; "
            "make one with experiments/prepare_data.py"
        )
    fit, test = ClipCache(path / "train"), ClipCache(path / "test")
    tested = {group(clip) for clip in test.clips}
    apart = [i for i, clip in enumerate(fit.clips) if group(clip) not in tested]
    return Split(fit, np.array(apart, dtype=int), test, np.arange(len(test)))


def lot(name: str) -> float:
    """A pseudo-random number in [0, 1) that depends on the name only."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
