"""Which recordings, or which part of few of them, are for training, validation and test."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace

from msdae.data.sources import SourceFile

HELD_OUT = 0.05  # share in each of valid and test
FEWEST = 3  # recordings that can be split without cutting one


def by_name(names: Iterable[str]) -> dict[str, str]:
    """The split of each name, by a hash of it: the same whatever the order. For three names or more."""
    order = sorted(set(names), key=lambda name: hashlib.sha256(os.fsencode(name)).digest())
    held_out = _held_out(len(order))
    splits = ["valid"] * held_out + ["test"] * held_out
    return dict(zip(order, splits + ["train"] * (len(order) - len(splits)), strict=True))


def by_time(file: SourceFile, sounding: Sequence[int]) -> dict[str, SourceFile]:
    """Parts of one recording: its start is for training, its end for validation and what lies before the end
    for test. With two clips that sound there is no test, with one all is for training.

    sounding: numbers of the clips that are not silent, in order; each part has at least one of them.
    """
    count, held_out = len(sounding), _held_out(len(sounding))
    if count < 2:
        splits, bounds = ("train",), [0, file.clips]
    elif count < FEWEST:
        splits, bounds = ("train", "valid"), [0, sounding[1], file.clips]
    else:
        splits = ("train", "test", "valid")
        bounds = [0, sounding[-2 * held_out], sounding[-held_out], file.clips]
    whole = len(splits) == 1
    return {
        split: replace(
            file, first=start, clips=end - start, labels={**file.labels, "split": split}, whole=whole
        )
        for split, start, end in zip(splits, bounds, bounds[1:], strict=False)
    }


def _held_out(count: int) -> int:
    return max(1, round(HELD_OUT * count))
