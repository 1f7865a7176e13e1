"""Any folder of recordings, at any depth, without labels."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from msdae.data.sets import DATASETS, DataSet
from msdae.data.sources import ClipLength, SourceFile, complete_clips
from msdae.data.tally import Tally
from msdae.errors import UserError

SUFFIXES = (
    *(".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff"),
    *(".m4a", ".mp4", ".aac", ".mka", ".webm", ".wma"),  # by the extra `av`
)
HELD_OUT = 0.05  # share of the files in each of valid and test


def scan(root: Path, tally: Tally, clip: ClipLength = ClipLength()) -> dict[str, list[SourceFile]]:
    """The recordings, split by file; with fewer than three of them all are for training.

    Hidden files are passed over.

    Raises:
        UserError: no such folder, or no readable recording in it.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; check --source")
    files = []
    for path in sorted(path for path in root.rglob("[!.]*") if path.is_file()):
        tally.total += 1
        if path.suffix.lower() not in SUFFIXES:
            tally.leave_out(f"{path.suffix or 'no extension'}: not the name of a recording")
            continue
        try:
            files.append((path, complete_clips(path, clip)))
        except UserError as error:
            tally.reject(path, error)
    tally.accepted += len(files)
    if not files:
        raise UserError("\n".join([f"{root}: no recording that can be used", *tally.lines("files")]))
    return _split(root, files)


@DATASETS.register("folder")
class Folder(DataSet):
    """Recordings without labels, in a folder at any depth."""

    scan = staticmethod(scan)


def _split(root: Path, files: Sequence[tuple[Path, int]]) -> dict[str, list[SourceFile]]:
    """Held-out files by a hash of their name: the same whatever order the disk lists them in."""
    names = {path: path.relative_to(root).as_posix() for path, _ in files}
    order = sorted(files, key=lambda file: hashlib.sha256(os.fsencode(names[file[0]])).digest())
    held_out = max(1, round(HELD_OUT * len(files))) if len(files) >= 3 else 0
    splits = {
        "valid": order[:held_out],
        "test": order[held_out : 2 * held_out],
        "train": order[2 * held_out :],
    }
    return {
        split: [
            SourceFile(names[path], path, clips, {"dataset": "folder", "split": split, "piece": names[path]})
            for path, clips in sorted(members)
        ]
        for split, members in splits.items()
        if members
    }
