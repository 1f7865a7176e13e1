"""Any folder of recordings, at any depth, without labels."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from msdae import audio
from msdae.data import splits
from msdae.data.sets import DATASETS, DataSet
from msdae.data.sources import SPLITS, ClipLength, SourceFile, complete_clips, cut, is_silent
from msdae.data.tally import Tally
from msdae.errors import UserError, printable
from msdae.files import digest
from msdae.progress import Progress, silent


def scan(
    root: Path, tally: Tally, clip: ClipLength = ClipLength(), progress: Progress = silent
) -> dict[str, list[SourceFile]]:
    """The recordings, split by file; fewer than three are split by time, so that the end of each is held out.

    Linked folders are followed; hidden files and folders are passed over. Of files with the same bytes the
    first one is used.

    Raises:
        UserError: there is no such folder, no readable recording in it, or too little sound to hold any out.
    """
    if not root.is_dir():
        raise UserError(f"{printable(root)}: no such folder; check --source")
    files: dict[str, SourceFile] = {}  # by digest
    for path in progress(sorted(_files(root)), desc="scan", unit="file", leave=False):
        tally.total += 1
        if path.suffix.lower() not in audio.SUFFIXES:
            tally.leave_out(f"{path.suffix or 'no extension'}: not the name of a recording")
            continue
        if not path.is_file():
            tally.leave_out("a broken link, or no ordinary file")
            continue
        try:
            name = path.relative_to(root).as_posix()
            labels = {"dataset": "folder", "split": "train", "piece": name}
            file = SourceFile(name, path, complete_clips(path, clip), labels, digest=digest(path))
        except UserError as error:
            tally.reject(path, error)
            continue
        if file.digest in files:
            tally.leave_out("the same recording as another file")
        files.setdefault(file.digest, file)
    each = list(files.values())
    parts = _by_file(each) if len(each) >= splits.FEWEST else _by_time(each, tally, clip)
    tally.accepted += len({part.path for part in parts})
    if not parts:
        raise UserError(
            "\n".join([f"{printable(root)}: no recording that can be used; add some", *tally.lines("files")])
        )
    members = {split: [part for part in parts if part.labels["split"] == split] for split in SPLITS}
    if not members["valid"]:
        raise UserError(
            f"{printable(root)}: one clip of {clip.seconds:.2f} s with sound, training and validation need "
            f"one each; give {2 * clip.seconds:.0f} s of sound or more"
        )
    return {split: members[split] for split in SPLITS if members[split]}


@DATASETS.register("folder")
class Folder(DataSet):
    """Recordings without labels, in a folder at any depth."""

    scan = staticmethod(scan)


def _files(root: Path) -> Iterator[Path]:
    """The files below `root` that are not hidden; a folder that links lead to twice is entered once."""
    entered: set[tuple[int, int]] = set()
    for folder, inner, names in os.walk(root, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in entered:
            inner.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def _by_file(files: Sequence[SourceFile]) -> list[SourceFile]:
    split = splits.by_name(file.name for file in files)
    return [replace(file, labels={**file.labels, "split": split[file.name]}) for file in files]


def _by_time(files: Sequence[SourceFile], tally: Tally, clip: ClipLength) -> list[SourceFile]:
    parts = []
    for file in files:
        try:
            clips = enumerate(cut(file.path, clip))
            sounding = [index for index, wave in clips if index < file.clips and not is_silent(wave)]
        except UserError as error:
            tally.reject(file.path, error)
            continue
        if sounding:
            parts += splits.by_time(file, sounding).values()
        else:
            tally.leave_out("silent recording")
    if len(parts) == 2 and not any(part.first for part in parts):  # two recordings of a clip each
        parts[1] = replace(parts[1], labels={**parts[1].labels, "split": "valid"})
    return parts
