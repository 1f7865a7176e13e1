"""The library of sounds: whole entries or none, whoever dies, whatever lies in its folder."""

import json
import math
import os
import shutil
import threading
from dataclasses import replace

import pytest
import torch

from msdae.app.library import ABOUT, PREVIEW, SOUND, Library
from msdae.errors import UserError
from msdae.inference.sounds import LearntSound
from msdae.models.adapter import Adapter

PLAYED = torch.zeros(4410)
ENTRY = {"name": "x", "made": 1.0, "seconds": 2.0, "steps": 10, "held_out": [], "model": "f", "code": [0.0]}


def sound() -> LearntSound:
    adapter = Adapter({"a.down": torch.ones(2, 3), "a.up": torch.ones(3, 2), "a.bias": torch.zeros(3)})
    return LearntSound(torch.ones(1, 8, 1), adapter, "f" * 64, ("a.wav",), 2.0, 10, (0.5, 0.4))


@pytest.fixture
def library(tmp_path):
    return Library(tmp_path / "sounds")


def test_what_is_added_is_there_until_it_is_removed(library):
    first, second = library.add(sound(), "One", PLAYED), library.add(sound(), "Zwei ♪", PLAYED)
    assert [entry.name for entry in library.entries()] == ["Zwei ♪", "One"]
    assert library.rename(first.id, "Other").name == "Other"
    assert library.find(first.id).held_out == [0.5, 0.4] and library.sound(first.id).name == SOUND
    assert "code" not in second.described("f" * 64) and second.described("f" * 64)["usable"]
    assert not second.described("e" * 64)["usable"]
    library.remove(first.id)
    assert [entry.id for entry in library.entries()] == [second.id]
    assert os.listdir(library.folder) == [second.id]


def test_an_empty_library_makes_no_folder(library):
    assert library.entries() == [] and not library.folder.exists()


def test_links_are_no_sounds(library, tmp_path):
    kept = library.add(sound(), "One", PLAYED)
    secret = tmp_path / "secret"
    shutil.copytree(library.folder / kept.id, secret)
    (library.folder / ("a" * 16)).symlink_to(secret)
    inner = library.folder / ("b" * 16)
    shutil.copytree(secret, inner)
    for name in (SOUND, PREVIEW):
        (inner / name).unlink()
        (inner / name).symlink_to("/etc/passwd")
    for read in (library.find, library.sound, library.preview, library.remove):
        with pytest.raises(UserError, match="no such sound"):
            read("a" * 16)
    for read in (library.sound, library.preview):
        with pytest.raises(UserError, match="no such sound"):
            read("b" * 16)
    assert secret.exists() and {entry.id for entry in library.entries()} == {kept.id, "b" * 16}


def test_the_folder_itself_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "sounds").symlink_to(tmp_path / "disk")
    entry = Library(tmp_path / "sounds").add(sound(), "One", PLAYED)
    assert os.listdir(tmp_path / "disk") == [entry.id]


@pytest.mark.parametrize(
    "key", ["..", ".", "", "../x", "/etc", "A" * 16, "a" * 15, "a" * 16 + "\n", "é" * 16]
)
def test_what_is_no_id_is_not_looked_for(library, key):
    library.add(sound(), "One", PLAYED)
    for read in (library.find, library.sound, library.preview, library.remove):
        with pytest.raises(UserError, match="no such sound"):
            read(key)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "{}", '{"name": 1}', json.dumps({"name": "x", "made": "y"}), "\0" * 50, "[" * 10**5),
        json.dumps({**ENTRY, "seconds": math.nan}),
        json.dumps({**ENTRY, "held_out": [0.5, math.inf]}),
    ],
)
def test_damaged_entries_are_left_out(library, text):
    kept, damaged = library.add(sound(), "One", PLAYED), library.add(sound(), "Two", PLAYED)
    (library.folder / damaged.id / ABOUT).write_text(text)
    (library.folder / "notes.txt").write_text("of the user")
    assert [entry.id for entry in library.entries()] == [kept.id]
    library.remove(damaged.id)
    assert (library.folder / "notes.txt").exists()


@pytest.mark.parametrize(
    "fact", [{"seconds": math.inf}, {"steps": "many"}, {"held_out": (math.nan, 0.4)}, {"held_out": None}]
)
def test_a_sound_that_says_what_cannot_be_is_not_kept(library, tmp_path, fact):
    """Its file may come from anyone: what it says is told to all visitors, as JSON."""
    kept = library.add(sound(), "One", PLAYED)
    replace(sound(), **fact).save(tmp_path / "a.sound")
    with pytest.raises(UserError, match="learn the sound again"):
        library.add(LearntSound.load(tmp_path / "a.sound"), "Two", PLAYED)
    assert os.listdir(library.folder) == [kept.id]


def test_what_fails_halfway_leaves_nothing(library, monkeypatch):
    kept = library.add(sound(), "One", PLAYED)

    def fails(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("msdae.app.library.audio.write", fails)
    with pytest.raises(UserError, match="no space left"):
        library.add(sound(), "Two", PLAYED)
    assert os.listdir(library.folder) == [kept.id]


def test_what_was_being_removed_goes_at_the_next_start(library):
    kept = library.add(sound(), "One", PLAYED)
    (library.folder / ".removed.0123").mkdir()
    assert [entry.id for entry in Library(library.folder).entries()] == [kept.id]
    assert os.listdir(library.folder) == [kept.id]


def test_two_use_it_at_once(library):
    other, faults = Library(library.folder), []

    def work(mine):
        try:
            for number in range(10):
                entry = mine.add(sound(), str(number), PLAYED)
                mine.entries()
                mine.rename(entry.id, f"{number}!")
                if number % 2:
                    mine.remove(entry.id)
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in (library, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    names = sorted(entry.name for entry in library.entries())
    assert names == sorted(2 * [f"{number}!" for number in range(0, 10, 2)])


def test_both_remove_the_same(library):
    entry = library.add(sound(), "One", PLAYED)
    Library(library.folder).remove(entry.id)
    with pytest.raises(UserError, match="may have been deleted"):
        library.remove(entry.id)
