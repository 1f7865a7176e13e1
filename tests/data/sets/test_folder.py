import os
import shutil
import zlib

import pytest
import torch

from msdae import audio
from msdae.data.sets import folder
from msdae.data.sources import ClipLength
from msdae.data.tally import Tally
from msdae.errors import UserError


def _recording(path, clips=1.5):
    path.parent.mkdir(parents=True, exist_ok=True)
    pitch = 0.05 + zlib.crc32(path.name.encode()) / 2**36  # names differ, and so do recordings
    waveform = 0.1 * torch.sin(torch.arange(round(clips * ClipLength().samples)) * pitch)
    audio.write(path, waveform, subtype="PCM_16")


def test_any_tree_is_read_and_each_file_is_in_one_split(tmp_path):
    for index in range(10):
        _recording(tmp_path / f"disc {index % 3}" / f"song {index}.wav", clips=2.5)
    (tmp_path / "cover.jpg").write_bytes(b"picture")
    (tmp_path / "._song 1.wav").write_bytes(b"what a Mac leaves on other disks")
    tally = Tally()
    splits = folder.scan(tmp_path, tally)
    assert {split: len(files) for split, files in splits.items()} == {"valid": 1, "test": 1, "train": 8}
    names = [file.name for files in splits.values() for file in files]
    assert len(set(names)) == 10
    assert {file.clips for files in splits.values() for file in files} == {2}
    assert tally.left_out == {".jpg: not the name of a recording": 1}
    assert splits == folder.scan(tmp_path, Tally())


def test_copies_of_a_recording_are_left_out(tmp_path):
    """Regression: the same recording went to train and to test."""
    for index in range(10):
        _recording(tmp_path / "albums" / f"{index}.wav")
    before, tally = folder.scan(tmp_path, Tally()), Tally()
    shutil.copytree(tmp_path / "albums", tmp_path / "favourites")
    (tmp_path / "first.wav").symlink_to(tmp_path / "albums" / "0.wav")
    assert folder.scan(tmp_path, tally) == before
    assert (tally.total, tally.accepted) == (21, 10)
    assert tally.left_out == {"the same recording as another file": 11}


def test_what_is_no_file_is_counted(tmp_path):
    _recording(tmp_path / "a.wav", clips=2.5)
    (tmp_path / "broken.wav").symlink_to(tmp_path / "gone.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    tally = Tally()
    assert [file.name for file in folder.scan(tmp_path, tally)["train"]] == ["a.wav"]
    assert (tally.total, tally.left_out) == (3, {"a broken link, or no ordinary file": 2})


def _parts(splits):
    return {split: [(file.name, file.first, file.clips) for file in files] for split, files in splits.items()}


def test_few_recordings_are_split_by_time(tmp_path):
    """Regression: one or two recordings were prepared without validation, which training then missed."""
    _recording(tmp_path / "long.wav", clips=40.5)
    assert _parts(folder.scan(tmp_path, Tally())) == {
        "train": [("long.wav", 0, 36)],
        "valid": [("long.wav", 38, 2)],
        "test": [("long.wav", 36, 2)],
    }
    _recording(tmp_path / "short.flac", clips=2.5)
    tally = Tally()
    parts = _parts(folder.scan(tmp_path, tally))
    assert parts["train"] == [("long.wav", 0, 36), ("short.flac", 0, 1)]
    assert parts["valid"] == [("long.wav", 38, 2), ("short.flac", 1, 1)]
    assert (tally.total, tally.accepted) == (2, 2)


def test_each_part_of_a_recording_has_sound(tmp_path):
    waveform = 0.1 * torch.sin(torch.arange(6 * ClipLength().samples) * 0.05)
    waveform[3 * ClipLength().samples :] = 0  # a long silence at the end
    audio.write(tmp_path / "a.wav", waveform, subtype="PCM_16")
    parts = _parts(folder.scan(tmp_path, Tally()))
    assert parts == {"train": [("a.wav", 0, 1)], "valid": [("a.wav", 2, 4)], "test": [("a.wav", 1, 1)]}


def test_two_recordings_of_one_clip_are_one_for_training_and_one_for_validation(tmp_path):
    _recording(tmp_path / "a.wav")
    with pytest.raises(UserError, match="one clip of 2.97 s with sound, .*; give 6 s of sound or more"):
        folder.scan(tmp_path, Tally())
    _recording(tmp_path / "b.wav")
    assert _parts(folder.scan(tmp_path, Tally())) == {"train": [("a.wav", 0, 1)], "valid": [("b.wav", 0, 1)]}


def test_linked_folders_are_read_and_circles_end(tmp_path):
    for index in range(3):
        _recording(tmp_path / "elsewhere" / f"{index}.wav")
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "music")
    (tmp_path / "music" / ".hidden").mkdir()
    _recording(tmp_path / "music" / ".hidden" / "no.wav")
    files = [file for files in folder.scan(tmp_path / "music", Tally()).values() for file in files]
    assert sorted(file.name for file in files) == ["link/0.wav", "link/1.wav", "link/2.wav"]


def test_faulty_files_are_rejected_with_their_reason(tmp_path):
    _recording(tmp_path / "good.wav", clips=2.5)
    _recording(tmp_path / "short.wav", clips=0.2)
    _recording(tmp_path / "cut.wav")
    cut = tmp_path / "cut.wav"
    cut.write_bytes(cut.read_bytes()[: 2 * ClipLength().samples])
    (tmp_path / "liar.mp3").write_text("no music in here")
    (tmp_path / "empty.ogg").touch()
    tally = Tally()
    (good,) = folder.scan(tmp_path, tally)["train"]
    assert good.name == "good.wav"
    assert tally.rejected == {
        "shorter than one clip": 1,
        "was cut short": 1,
        "not a readable recording": 2,
    }


def test_nothing_to_use_is_an_error_that_says_why(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        folder.scan(tmp_path / "absent", Tally())
    (tmp_path / "liar.wav").write_text("no music in here")
    with pytest.raises(UserError, match=r"(?s)no recording that can be used.*1 rejected"):
        folder.scan(tmp_path, Tally())
