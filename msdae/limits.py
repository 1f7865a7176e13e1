"""Checks of settings against the limits in their types, and of free memory and disk space."""

import math
import shutil
import types
import typing
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Annotated, Any

import psutil

from msdae.errors import MEMORY, UserError, printable


@dataclass(frozen=True)
class Range:
    """The values that a number may have, for the type of a field: `steps: Annotated[int, Range(1, 1000)]`.

    low, high: the bounds, which are included. above: excludes `low`. below: excludes `high`. reason: why the
    range ends there. NaN and infinity are in no range.
    """

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False
    reason: str = ""

    def __contains__(self, value: Any) -> bool:
        try:
            fits = math.isfinite(value) and self.low <= value <= self.high
        except (TypeError, OverflowError):  # no number, or an integer too large for a float
            return isinstance(value, int) and self.low <= value <= self.high
        return fits and not (self.above and value == self.low) and not (self.below and value == self.high)

    def __str__(self) -> str:
        low, high = _plain(self.low), _plain(self.high)
        if self.low == -math.inf and self.high == math.inf:
            return "a finite number"
        if self.high == math.inf:
            return f"above {low}" if self.above else f"{low} or more"
        if self.low == -math.inf:
            return f"at most {high}"
        if self.below:
            return f"{low} or more, below {high}"
        return f"above {low}, at most {high}" if self.above else f"{low} to {high}"

    def check(self, value: Any, name: str, kind: type = float) -> None:
        """Raise a UserError about the setting `name` unless `value`, an int or a float, is in the range."""
        require(Annotated[kind, self], value, name)


class Choice(tuple[str, ...]):
    """The names that a setting may have, for the type of a field: `Annotated[str, Choice(("a", "b"))]`."""

    reason = ""

    def __str__(self) -> str:
        return f"one of {', '.join(self)}"


@dataclass(frozen=True)
class Size:
    """How many entries a tuple has, for the type of a field: `Annotated[tuple[int, ...], Size(1, 3)]`."""

    low: int
    high: int
    reason = ""

    def __contains__(self, value: Any) -> bool:
        return isinstance(value, (tuple, list)) and self.low <= len(value) <= self.high

    def __str__(self) -> str:
        return f"{self.low} entries" if self.low == self.high else f"{self.low} to {self.high} entries"


def unlike(value: Any, limit: Range | Choice | Size) -> str:
    """What an error says about a value outside its limit: "is 0, expected 1 to 9 (the limit's reason)"."""
    reason = f" ({limit.reason})" if limit.reason else ""
    return f"is {printable(value)[:40]}, expected {limit}{reason}"


def _plain(number: float) -> str:
    whole = isinstance(number, int) or number.is_integer()
    return f"{int(number):,}".replace(",", " ") if whole else f"{number:g}"


# Ranges that several settings share.
SHARE = Range(0, 1)
Share = Annotated[float, SHARE]
SEED = Range(0, 2**63 - 1)
COUNT = Range(1, 10**6, reason="more would take days")
POSITIVE = Range(0, above=True)
NOT_NEGATIVE = Range(0)
FRACTION = Range(0, 1, below=True)
FINITE = Range()
SHORTEST_SOUND = 0.05  # seconds; shorter recordings say nothing about a sound
LEARNING = Range(1, 86400, reason="a day")  # seconds of learning a sound
LEARNING_SECONDS = 10.0  # the default
CLIP_SECONDS = Range(1, 3600)  # of a recording or score that a visitor uploads to the web page
UPLOAD = Range(0.1, 2000)  # megabytes of the uploaded file
GUIDANCE = Range(-100, 100, reason="beyond, nothing of the sound is left")
CLIPS = Range(1, 10**6, reason="more take days to render and half a terabyte")  # clips of a data set


def ranges(hint: Any) -> list[Range | Choice]:
    """The ranges and choices in a type annotation: its own, then those of the types inside it."""
    metadata = [entry for entry in getattr(hint, "__metadata__", ()) if isinstance(entry, (Range, Choice))]
    return metadata + [entry for inner in typing.get_args(hint) for entry in ranges(inner)]


def check(settings: Any) -> None:
    """Check every field of a dataclass whose type has a `Range`, `Choice` or `Size`; for its `__post_init__`.

    Raises:
        UserError: a value is outside; the message names the field.
    """
    for name, hint in typing.get_type_hints(type(settings), include_extras=True).items():
        require(hint, getattr(settings, name), name)


def require(hint: Any, value: Any, name: str) -> None:
    """Raise a UserError about the setting `name` unless `value` fits the type `hint` and its limits."""
    parts = typing.get_args(hint)
    if value is None and type(None) in (*parts, *typing.get_args(parts[0] if parts else None)):
        return
    for limit in getattr(hint, "__metadata__", ()):
        if value not in limit:
            raise UserError(f"{name}: {unlike(value, limit)}")
    inner = [part for part in parts if part not in (type(None), ...)]
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, (tuple, list)) or len(inner) not in (1, len(value)):
            raise UserError(f"{name}: is {printable(value)[:40]}, expected {hint}")
        for part, entry in zip(inner if len(inner) > 1 else inner * len(value), value, strict=True):
            require(part, entry, name)
    elif hint is int and not isinstance(value, Integral):
        raise UserError(f"{name}: is {printable(value)[:40]}, expected a whole number")
    elif typing.get_origin(hint) in (Annotated, types.UnionType, typing.Union):
        require(inner[0], value, name)


def available_memory() -> int:
    """Bytes of memory left to this process: of the machine or, if less, of its control group (container)."""
    free, group = psutil.virtual_memory().available, Path("/sys/fs/cgroup")
    for limit, used, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            counts = (group / used).with_name("memory.stat").read_text().split()
            unneeded = int(counts[counts.index(cache) + 1])  # cached files; freed when memory is needed
            taken = int((group / used).read_text()) - unneeded
            free = min(free, int((group / limit).read_text()) - taken)
        except (OSError, ValueError):  # no such group, or no limit in it
            continue
    return max(0, free)


def require_memory(needed: float, what: str, fix: str = MEMORY) -> None:
    """Raise a UserError if fewer than `needed` bytes of memory are free for `what`, before they are taken."""
    if needed > (free := available_memory()):
        raise UserError(f"{what}: needs about {gigabytes(needed)}, {gigabytes(free)} are free; {fix}")


def require_disk(folder: Path, needed: float, what: str) -> None:
    """Raise a UserError if the disk of `folder`, which need not exist, has fewer than `needed` bytes free."""
    place = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if needed > (free := shutil.disk_usage(place).free):
        reason = f"{what}: needs about {gigabytes(needed)}, {gigabytes(free)} are free"
        raise UserError(f"{printable(folder)}: {reason}; make room or choose another disk")


def gigabytes(size: float) -> str:
    """A number of bytes as text: "3.1 GB", or from 10^12 on "2 TB"."""
    return f"{size / 1e9:.1f} GB" if size < 1e12 else f"{size / 1e12:,.0f} TB"
