"""The library of learnt sounds: one folder for each, which appears and disappears as a whole.

Several processes may use a library at once. Visitors cannot choose paths in it: ids are random, and links are
not followed.
"""

import json
import re
import secrets
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from msdae import audio, files
from msdae.errors import UserError
from msdae.inference.sounds import FIX, LearntSound
from msdae.limits import FINITE

SOUND, PREVIEW, ABOUT = "learnt.sound", "preview.flac", "about.json"  # files in the folder of a sound
MOST = 500  # sounds, of about 2 MB each
REMOVED = ".removed."  # prefix of folders that are being deleted
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Entry:
    """A sound of the library.

    made: time of its creation, in seconds since 1970. seconds: length of the recordings that it was learnt
    from. steps: number of learning steps. held_out: held-out loss before and after learning. model:
    fingerprint of the model that it belongs to. code: its level-1 code, (channels,).

    Raises:
        ValueError: a value has the wrong type, or is NaN or infinite, which JSON cannot represent.
    """

    id: str
    name: str
    made: float
    seconds: float
    steps: int
    held_out: Sequence[float]
    model: str
    code: Sequence[float]

    def __post_init__(self):
        numbers = [self.made, self.seconds, self.steps, *self.held_out, *self.code]
        known = all(isinstance(number, (int, float)) and number in FINITE for number in numbers)
        if not known or not isinstance(self.name, str):
            raise ValueError("a value of another type, or not finite")

    def described(self, model: str) -> dict[str, Any]:
        """The sound as the page receives it. model: fingerprint of the model in use."""
        known = asdict(self)
        del known["code"], known["model"]
        return known | {"usable": self.model == model}


class Library:
    """The library in `folder`, which is made when the first sound is added."""

    def __init__(self, folder: Path):
        self.folder = folder
        if folder.is_dir():
            for path in folder.glob(f"{REMOVED}*"):
                shutil.rmtree(path, ignore_errors=True)

    def entries(self) -> list[Entry]:
        """The sounds, the newest first; damaged ones are left out."""
        if not self.folder.is_dir():
            return []
        known = []
        for path in self.folder.iterdir():
            with suppress(UserError):
                known.append(self.find(path.name))
        return sorted(known, key=lambda entry: (-entry.made, entry.id))

    def find(self, key: str) -> Entry:
        """The sound with that id.

        Raises:
            UserError: there is no such sound, or it is damaged.
        """
        path = self._file(key, ABOUT)
        about = files.read_json(path, fix="delete the sound")
        with files.reading(path, "delete the sound"):
            return Entry(id=key, **about)

    def sound(self, key: str) -> Path:
        """The `.sound` file of a sound; a UserError if there is no such sound."""
        return self._file(key, SOUND)

    def preview(self, key: str) -> Path:
        """The audio preview of a sound; a UserError if there is no such sound."""
        return self._file(key, PREVIEW)

    def add(self, sound: LearntSound, name: str, preview: torch.Tensor) -> Entry:
        """Add a sound, completely or not at all.

        preview: a waveform (samples,) that plays it.

        Raises:
            UserError: the library is full or cannot be written to, or the sound's own data are damaged.
        """
        self._require_room()
        files.make_folder(self.folder)
        key = secrets.token_hex(8)
        code = [round(x, 5) for x in sound.code.flatten().tolist()]
        with files.reading(SOUND, FIX):
            facts = (sound.seconds, sound.steps, list(sound.held_out), sound.model)
            entry = Entry(key, name, time.time(), *facts, code)
        with files.atomic_folder(self.folder / key) as temporary:
            sound.save(temporary / SOUND)
            audio.write(temporary / PREVIEW, preview)
            _write(temporary / ABOUT, entry)
        return entry

    def rename(self, key: str, name: str) -> Entry:
        """Give a sound another name. Raises as `find`."""
        entry = replace(self.find(key), name=name)
        with files.atomic(self._file(key, ABOUT)) as temporary:
            _write(temporary, entry)
        return entry

    def remove(self, key: str) -> None:
        """Delete a sound; a UserError if there is no such sound."""
        folder = self._file(key, ABOUT).parent
        removed = self.folder / f"{REMOVED}{secrets.token_hex(8)}"
        with files.reading(folder), suppress(FileNotFoundError):  # another process was faster
            folder.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)

    def _require_room(self) -> None:
        if self.folder.is_dir() and sum(1 for _ in self.folder.iterdir()) >= MOST:
            raise UserError(f"the library has {MOST} sounds; delete one first")

    def _file(self, key: str, name: str) -> Path:
        """A file of a sound; a UserError unless it exists and neither it nor its folder is a link."""
        folder = self.folder / key if _ID.fullmatch(key) else None
        if (
            folder is None
            or folder.is_symlink()
            or not (path := folder / name).is_file()
            or path.is_symlink()
        ):
            raise UserError("no such sound in the library; it may have been deleted")
        return path


def _write(path: Path, entry: Entry) -> None:
    about = asdict(entry)
    del about["id"]  # the name of its folder
    path.write_text(json.dumps(about), "utf-8")
