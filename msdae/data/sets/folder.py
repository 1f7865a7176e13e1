"""Any folder of recordings, at any depth, without labels."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from msdae.data.report import Report
from msdae.data.sources import SourceFile, whole_clips
from msdae.errors import UserError

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff")
HELD_OUT = 0.05  # share of the files in each of valid and test


def scan(root: Path, report: Report) -> dict[str, list[SourceFile]]:
    """The recordings, split by file; with fewer than three of them all are for training.

    Hidden files are passed over.

    Raises:
        UserError: no such folder, or no readable recording in it.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; check --source")
    files = []
    for path in sorted(path for path in root.rglob("[!.]*") if path.is_file()):
        report.found += 1
        if path.suffix.lower() not in SUFFIXES:
            report.leave_out(f"{path.suffix or 'no extension'}: not the name of a recording")
            continue
        try:
            files.append((path, whole_clips(path)))
        except UserError as error:
            report.reject(path, error)
    report.accepted += len(files)
    if not files:
        raise UserError("\n".join([f"{root}: no recording that can be used", *report.lines("files")]))
    return _split(root, files)


def _split(root: Path, files: Sequence[tuple[Path, int]]) -> dict[str, list[SourceFile]]:
    """Held-out files by a hash of their name: the same whatever order the disk lists them in."""
    names = {path: path.relative_to(root).as_posix() for path, _ in files}
    shuffled = sorted(files, key=lambda file: hashlib.sha256(names[file[0]].encode()).digest())
    held_out = max(1, round(HELD_OUT * len(files))) if len(files) >= 3 else 0
    chosen = {
        "valid": shuffled[:held_out],
        "test": shuffled[held_out : 2 * held_out],
        "train": shuffled[2 * held_out :],
    }
    return {
        split: [
            SourceFile(names[path], path, clips, {"dataset": "folder", "split": split, "piece": names[path]})
            for path, clips in sorted(members)
        ]
        for split, members in chosen.items()
        if members
    }
