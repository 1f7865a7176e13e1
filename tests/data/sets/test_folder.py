import pytest
import torch

from msdae import audio
from msdae.data.sets import folder
from msdae.data.sources import ClipLength
from msdae.data.tally import Tally
from msdae.errors import UserError


def _recording(path, clips=1.5):
    path.parent.mkdir(parents=True, exist_ok=True)
    waveform = 0.1 * torch.sin(torch.arange(round(clips * ClipLength().samples)) * 0.05)
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


def test_two_recordings_are_both_for_training(tmp_path):
    for name in ("a.wav", "b.flac"):
        _recording(tmp_path / name)
    assert {split: len(files) for split, files in folder.scan(tmp_path, Tally()).items()} == {"train": 2}


def test_faulty_files_are_rejected_with_their_reason(tmp_path):
    _recording(tmp_path / "good.wav")
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
