"""The sounds that were learnt, kept in a folder: one folder a sound, which appears and goes as a whole.

Several processes may use a library. Nothing in it is reached by a name that a visitor gives: a sound's id is
drawn, and what is a link is no sound.
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

SOUND, PREVIEW, ABOUT = "learnt.sound", "preview.flac", "about.json"  # of a sound
MOST = 500  # sounds; of 2 MB
REMOVED = ".removed."  # how the names of folders begin that are being removed
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Entry:
    """A sound of the library.

    made: seconds since 1970. seconds: of its recordings. steps: of learning. held_out: loss before and after.
    model: fingerprint of the model that it is of. code: of level 1, (channels,).

    Raises:
        ValueError: a value of another type, NaN or infinity, which no JSON holds.
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
        """What the page is told; `model` is the one at work."""
        known = asdict(self)
        del known["code"], known["model"]
        return known | {"usable": self.model == model}


class Library:
    """The library in `folder`, which is made when the first sound comes."""

    def __init__(self, folder: Path):
        self.folder = folder
        if folder.is_dir():
            for path in folder.glob(f"{REMOVED}*"):
                shutil.rmtree(path, ignore_errors=True)

    def entries(self) -> list[Entry]:
        """The sounds, the newest first; what is damaged is left out."""
        if not self.folder.is_dir():
            return []
        known = []
        for path in self.folder.iterdir():
            with suppress(UserError):
                known.append(self.find(path.name))
        return sorted(known, key=lambda entry: (-entry.made, entry.id))

    def find(self, key: str) -> Entry:
        """The sound of that id.

        Raises:
            UserError: there is none, or it is damaged.
        """
        path = self._file(key, ABOUT)
        about = files.read_json(path, fix="delete the sound")
        with files.reading(path, "delete the sound"):
            return Entry(id=key, **about)

    def sound(self, key: str) -> Path:
        """The file of a sound; raises as `find`."""
        return self._file(key, SOUND)

    def preview(self, key: str) -> Path:
        """The file in which a sound is heard; raises as `find`."""
        return self._file(key, PREVIEW)

    def add(self, sound: LearntSound, name: str, preview: torch.Tensor) -> Entry:
        """Keep a sound, complete or not at all.

        preview: a waveform (samples,) in which it is heard.

        Raises:
            UserError: the library is full or cannot be written to; what the sound says of itself is damaged.
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
        """Give a sound another name; raises as `find`."""
        entry = replace(self.find(key), name=name)
        with files.atomic(self._file(key, ABOUT)) as temporary:
            _write(temporary, entry)
        return entry

    def remove(self, key: str) -> None:
        """Delete a sound; raises as `find`."""
        folder = self._file(key, ABOUT).parent
        removed = self.folder / f"{REMOVED}{secrets.token_hex(8)}"
        with files.reading(folder), suppress(FileNotFoundError):  # another process was faster
            folder.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)

    def _require_room(self) -> None:
        if self.folder.is_dir() and sum(1 for _ in self.folder.iterdir()) >= MOST:
            raise UserError(f"the library has {MOST} sounds; delete one first")

    def _file(self, key: str, name: str) -> Path:
        """A file of a sound that is there and, like its folder, no link."""
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
