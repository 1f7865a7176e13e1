"""What a number may be: ranges that stand in the types of settings, and memory that has to be there."""

import math
import shutil
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from msdae.errors import MEMORY, UserError, printable


@dataclass(frozen=True)
class Range:
    """The values that a number may have, for the type of a field: `steps: Annotated[int, Range(1, 1000)]`.

    low, high: both included. above: leaves `low` out. reason: why it ends at `high`.
    NaN and infinity are in no range.
    """

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    reason: str = ""

    def __contains__(self, value: Any) -> bool:
        try:
            fits = math.isfinite(value) and self.low <= value <= self.high
        except (TypeError, OverflowError):  # of integers that no float holds
            return isinstance(value, int) and self.low <= value <= self.high
        return fits and not (self.above and value == self.low)

    def __str__(self) -> str:
        low, high = _plain(self.low), _plain(self.high)
        if self.high == math.inf:
            return (
                "a finite number"
                if self.low == -math.inf
                else f"above {low}"
                if self.above
                else f"{low} or more"
            )
        if self.low == -math.inf:
            return f"at most {high}"
        return f"above {low}, at most {high}" if self.above else f"{low} to {high}"

    def check(self, value: Any, name: str) -> None:
        """Raise a UserError about the setting `name` unless `value` is in the range."""
        if value not in self:
            reason = f" ({self.reason})" if self.reason else ""
            raise UserError(f"{name}: is {printable(value)[:40]}, expected {self}{reason}")


def _plain(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ") if float(number).is_integer() else f"{number:g}"


# Ranges that several settings have.
SHARE = Range(0, 1)
SEED = Range(0, 2**63 - 1)
COUNT = Range(1, 10**6, reason="more would take days")
POSITIVE = Range(0, above=True)
NOT_NEGATIVE = Range(0)


def ranges(hint: Any) -> list[Range]:
    """The ranges in a type: its own, or those of what it holds."""
    metadata = [entry for entry in getattr(hint, "__metadata__", ()) if isinstance(entry, Range)]
    return metadata + [entry for inner in typing.get_args(hint) for entry in ranges(inner)]


def check(settings: Any) -> None:
    """Check every field of a dataclass whose type has a range; for its `__post_init__`.

    Raises:
        UserError: a value is outside; the message names the field.
    """
    for name, hint in typing.get_type_hints(type(settings), include_extras=True).items():
        found = ranges(hint)
        value = getattr(settings, name)
        for entry in value if isinstance(value, (tuple, list)) else [] if value is None else [value]:
            for limit in found:
                limit.check(entry, name)


def available_memory() -> int:
    """Bytes that this process may still take, by the machine and, in a container, by its control group."""
    free = psutil.virtual_memory().available
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            group = Path("/sys/fs/cgroup")
            free = min(free, int((group / limit).read_text()) - int((group / used).read_text()))
        except (OSError, ValueError):  # no such group, or no limit in it
            continue
    return max(0, free)


def require_memory(needed: float, what: str, fix: str = MEMORY) -> None:
    """Raise a UserError where less than `needed` bytes are there for `what`, before they are taken."""
    if needed > (free := available_memory()):
        raise UserError(f"{what}: needs about {_gigabytes(needed)}, {_gigabytes(free)} are free; {fix}")


def require_disk(folder: Path, needed: float, what: str) -> None:
    """Raise a UserError where the disk of `folder`, which may be missing, has less than `needed` bytes."""
    place = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if needed > (free := shutil.disk_usage(place).free):
        reason = f"{what}: needs about {_gigabytes(needed)}, {_gigabytes(free)} are free"
        raise UserError(f"{printable(folder)}: {reason}; make room or choose another disk")


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size < 1e12 else f"{size / 1e12:,.0f} TB"
