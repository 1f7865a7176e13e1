"""What the labels of clips may be, wherever they come from: metadata of sets, caches, shards."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from msdae.limits import NOT_NEGATIVE, Range

TEXTS = frozenset(("dataset", "kind", "split", "piece", "stem", "sound", "score")) | frozenset(
    ("instrument", "family", "class", "source", "maqam", "mode", "room")
)
MIDI = Range(0, 127)
NUMBERS = frozenset(("pitch", "velocity", "program"))
NOTE, MELODY = "note", "melody"  # values of the label `kind`
KINDS = {"notes": NOTE, "melodies": MELODY}  # what such clips are called together
LONGEST = 1e6  # the latest end of a note, in seconds


def check_labels(labels: Mapping[str, Any]) -> None:
    """Check the types and ranges of the labels that this package reads; others may be there.

    Raises:
        ValueError: one is of another type, out of range, or a pitch has no instrument.
    """
    for name in TEXTS & labels.keys():
        if not isinstance(labels[name], str):
            raise ValueError(f"{name} is {str(labels[name])[:40]!r}, expected text")
    for name in NUMBERS & labels.keys():
        if type(labels[name]) is not int or labels[name] not in MIDI:
            raise ValueError(f"{name} is {str(labels[name])[:40]!r}, expected {MIDI}")
    if "pitch" in labels and not {"instrument", "sound"} & labels.keys():
        raise ValueError("a pitch without an instrument")
    if not _are_notes(labels.get("notes", [])):
        raise ValueError("notes are not [onset, offset, pitch, velocity] each")


def check_clip(labels: Any) -> None:
    """Check the labels of a clip in a cache: `check_labels`, and `name`, `path` and `start`.

    Raises:
        ValueError: as `check_labels`; one is missing or leads out of the set.
    """
    if not isinstance(labels, dict) or not all(isinstance(labels.get(key), str) for key in ("name", "path")):
        raise ValueError("a clip without name or path")
    path = PurePosixPath(labels["path"])
    if path.is_absolute() or ".." in path.parts or "\0" in labels["path"]:
        raise ValueError(f"{labels['path'][:60]!r} leads out of the set")
    start = labels.get("start")
    if type(start) not in (int, float) or start not in NOT_NEGATIVE:
        raise ValueError(f"{labels['name'][:60]}: start is {str(start)[:40]!r}, expected seconds")
    check_labels(labels)


def is_plain_name(name: Any) -> bool:
    """Whether `name` is text that names a file in its folder and leads nowhere else."""
    return (
        isinstance(name, str)
        and name.isprintable()
        and 0 < len(name.encode()) <= 200
        and not set(name) & set("/\\")
        and not name.startswith(".")
    )


def _are_notes(notes: Any) -> bool:
    try:
        return isinstance(notes, list) and all(
            0 <= onset <= offset <= LONGEST and 0 <= pitch <= 127 and 0 <= velocity <= 127
            for onset, offset, pitch, velocity in notes
        )
    except (TypeError, ValueError):  # no numbers, or too few
        return False
