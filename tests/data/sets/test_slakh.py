import json
import shutil

import pretty_midi
import pytest
import torch
import yaml

from msdae import audio
from msdae.data.sets import slakh
from msdae.data.sources import ClipLength, read_notes
from msdae.data.tally import Tally
from msdae.errors import UserError

STEM = {"audio_rendered": True, "inst_class": "Bass", "is_drum": False, "program_num": 33}
STEM["midi_program_name"] = "Electric Bass (finger)"


def _midi(path, notes=((0.5, 1.0, 40, 90),)):
    midi = pretty_midi.PrettyMIDI(resolution=960)
    midi.instruments.append(pretty_midi.Instrument(33))
    for onset, offset, pitch, velocity in notes:
        midi.instruments[0].notes.append(pretty_midi.Note(velocity, pitch, onset, offset))
    midi.write(str(path))


def _yaml(metadata):
    return yaml.safe_dump(json.loads(json.dumps(metadata)))  # nothing is shared, so there are no aliases


def _track(folder, stems, suffix="flac", piece="a piece"):
    for kind in ("stems", "MIDI"):
        (folder / kind).mkdir(parents=True)
    (folder / "metadata.yaml").write_text(_yaml({"UUID": piece, "stems": stems}))
    for name in stems:
        waveform = 0.1 * torch.sin(torch.arange(2 * ClipLength().samples + 100) * 0.05)
        audio.write(folder / "stems" / f"{name}.{suffix}", waveform, subtype="PCM_16")
        _midi(folder / "MIDI" / f"{name}.mid")


def test_a_stem_has_all_its_whole_clips_and_its_labels(tmp_path):
    _track(tmp_path / "validation" / "Track01501", {"S03": STEM})
    _track(tmp_path / "omitted" / "Track00099", {"S00": STEM})
    tally = Tally()
    splits = slakh.scan(tmp_path, tally)
    assert list(splits) == ["valid"]
    (stem,) = splits["valid"]
    assert stem.clips == 2
    assert stem.labels == {
        "dataset": "slakh",
        "kind": "melody",
        "split": "valid",
        "piece": "a piece",
        "stem": "Track01501/S03",
        "instrument": "Electric Bass (finger)",
        "class": "Bass",
        "program": 33,
        "family": "bass",
    }
    assert read_notes(stem.midi) == [[0.5, 1.0, 40, 90]]


def test_drums_and_unrendered_stems_stay_out_and_faulty_ones_are_rejected(tmp_path):
    track = tmp_path / "train" / "Track00001"
    drums, silent = {**STEM, "is_drum": True}, {**STEM, "audio_rendered": False}
    _track(track, {"S00": STEM, "S01": drums, "S02": silent, "S03": STEM, "S04": STEM, "S05": STEM})
    (track / "stems" / "S03.flac").unlink()
    (track / "MIDI" / "S04.mid").unlink()
    cut = track / "stems" / "S05.flac"
    cut.write_bytes(cut.read_bytes()[:20])
    broken = tmp_path / "train" / "Track00002"
    broken.mkdir()
    (broken / "metadata.yaml").write_text("stems: [1, 2]")
    tally = Tally()
    assert [file.name for file in slakh.scan(tmp_path, tally)["train"]] == ["Track00001_S00"]
    assert tally.left_out == {"drums": 1, "never rendered, says metadata.yaml": 1}
    assert tally.rejected == {
        "in metadata.yaml but without a file": 1,
        "without MIDI, so without labels": 1,
        "was cut short": 1,
        "no stems in it": 1,
    }
    assert (tally.total, tally.accepted) == (7, 1)


def test_midi_without_notes_or_that_is_no_midi_is_refused(tmp_path):
    _midi(tmp_path / "empty.mid", notes=())
    with pytest.raises(UserError, match="empty.mid: MIDI without notes"):
        read_notes(tmp_path / "empty.mid")
    for name, content in {"text.mid": b"hello", "none.mid": b"", "cut.mid": b"MThd\0\0\0\6\0\1\0\1"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=f"{name}: not a readable MIDI file"):
            read_notes(tmp_path / name)


def test_a_folder_without_splits_is_named(tmp_path):
    with pytest.raises(UserError, match="no folders TrackNNNNN in it"):
        slakh.scan(tmp_path, Tally())


def test_tracks_without_folders_of_splits_are_split_by_piece(tmp_path):
    """BabySlakh: wav, no splits."""
    pieces = ["x", "y", "z", "y", "w"]
    for index, piece in enumerate(pieces):
        _track(tmp_path / f"Track{index:05d}", {"S00": STEM, "S01": STEM}, "wav", piece)
    stems = slakh.scan(tmp_path, tally := Tally())
    assert {split: len({stem.labels["piece"] for stem in members}) for split, members in stems.items()} == {
        "train": 2,
        "valid": 1,
        "test": 1,
    }
    assert (tally.total, tally.accepted) == (10, 10)
    places = {}
    for split, members in stems.items():
        for stem in members:
            assert stem.labels["split"] == split and stem.path.suffix == ".wav"
            assert places.setdefault(stem.labels["piece"], split) == split
    for index in (0, 2, 4):
        shutil.rmtree(tmp_path / f"Track{index:05d}")
    with pytest.raises(UserError, match="1 tracks that can be used; .* need one each; add tracks"):
        slakh.scan(tmp_path, Tally())


def test_damaged_metadata_costs_its_track_or_its_stem_only(tmp_path):
    """Regression: odd types ended in a traceback, and a name could lead out of the set."""
    _track(tmp_path / "elsewhere" / "Track00000", {"S00": STEM})
    train = tmp_path / "set" / "train"
    stems = {
        "S00": STEM,
        "../../../../elsewhere/Track00000/stems/S00": STEM,
        "S01": ["is_drum"],
        "S02": {**STEM, "program_num": "33"},
        "S03": {**STEM, "program_num": 300},
        "S04": {**STEM, "is_drum": "perhaps"},
        "S05": {**STEM, "inst_class": ["Bass"]},
        "x" * 300: STEM,
        "7": STEM,
    }
    _track(train / "Track00001", {"S00": STEM})
    for name in ("S02", "S03", "S05"):
        shutil.copy(train / "Track00001/stems/S00.flac", train / f"Track00001/stems/{name}.flac")
        shutil.copy(train / "Track00001/MIDI/S00.mid", train / f"Track00001/MIDI/{name}.mid")
    text = _yaml({"stems": stems}).replace("'7':", "7:")
    (train / "Track00001" / "metadata.yaml").write_text(text)
    bomb = "a: &a [x, x]\n" + "".join(
        f"{c}: &{c} [*{p}, *{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
    )
    for index, text in enumerate(
        (
            bomb,
            "stems: [S00]",
            "UUID: [1]\nstems: {}",
            "[" * 50_000,
            "stems: !!python/name:os.system",
            "\0",
            "",
        )
    ):
        (train / f"Track1000{index}").mkdir()
        (train / f"Track1000{index}" / "metadata.yaml").write_text(text)
    (train / "Track20000").mkdir()
    tally = Tally()
    assert [stem.name for stem in slakh.scan(tmp_path / "set", tally)["train"]] == ["Track00001_S00"]
    assert (tally.total, tally.accepted, tally.rejected.total()) == (9 + 8, 1, 8 + 8)
    assert tally.rejected["not the name of a stem"] == 3
    with pytest.raises(UserError, match="Track00001"):
        slakh.scan(tmp_path / "set", Tally(strict=True))
