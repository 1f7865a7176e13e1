import hashlib
import json

import pytest
import soundfile

from msdae.commands import prepare_data
from msdae.data import ClipCache
from msdae.data.rendering import RECORD
from msdae.data.scanning import scan
from msdae.data.sets.maqam import LABELS, MaqamConfig, MaqamPieces, Piece, render, write_piece
from msdae.data.sources import ClipLength
from msdae.data.tally import Tally
from msdae.errors import UserError
from msdae.symbolic.captions import traits
from msdae.symbolic.maqam import MAQAMAT

SHORT = ["--set", "section_clips=[1,1]"]


def test_a_prepared_set_keeps_its_splits_and_labels_in_every_training(folder):
    for place in (folder, folder / "source"):
        found = scan(place, Tally())
        assert set(found) == {"train", "valid", "test"}
        for split, files in found.items():
            assert all(split in file.path.parts and file.labels["maqam"] in MAQAMAT for file in files)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small set by the command line."""
    path = tmp_path_factory.mktemp("maqam")
    prepare_data.main(
        [
            "--dataset",
            "maqam",
            "--clips",
            "20",
            "--out",
            str(path),
            "--workers",
            "1",
            "--codec",
            "spectral",
            *SHORT,
        ]
    )
    return path


def test_a_piece_has_three_sections_of_clips_with_their_answers(folder):
    files = MaqamPieces.scan(folder / "source", Tally())
    assert {split: len(entries) for split, entries in files.items()} == {"train": 6, "valid": 6, "test": 6}
    for first, middle, last in zip(*(files["train"][index::3] for index in range(3)), strict=True):
        assert first.path == middle.path == last.path
        assert soundfile.info(first.path).frames == 3 * ClipLength().samples
        assert [file.first for file in (first, middle, last)] == [0, 1, 2]
        assert first.labels["maqam"] == last.labels["maqam"] == middle.labels["home"]
        assert first.labels["tonic"] == last.labels["tonic"] == middle.labels["home_tonic"]
        assert {file.labels["maqam"] for file in (first, middle, last)} <= set(MAQAMAT)


def test_clips_say_what_captions_need(folder):
    caches = {split: ClipCache(folder / split) for split in ("train", "valid", "test")}
    assert [len(cache.clips) for cache in caches.values()] == [6, 6, 6]
    for clip in caches["train"].clips:
        known = traits(clip)
        assert known.mode in MAQAMAT and known.room and known.instrument in ("oud", "plucked string")
        assert known.register and known.density and known.dynamics


def test_the_same_settings_give_the_same_bytes(tmp_path):
    config = MaqamConfig(clips=1, seed=5, section_clips=(1, 1))
    hashes = []
    for name in ("a", "b"):
        MaqamPieces.render(config, tmp_path / name, workers=1)
        hashes.append(
            {
                str(path.relative_to(tmp_path / name)): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in (tmp_path / name).rglob("*")
                if path.is_file()
            }
        )
    assert hashes[0] == hashes[1] and len(hashes[0]) > 4
    assert "soundfonts" not in json.loads((tmp_path / "a" / RECORD).read_text())


def test_splits_and_seeds_differ():
    config = MaqamConfig(section_clips=(1, 1))
    pieces = [Piece("train", 0, config), Piece("test", 0, config)]
    pieces.append(Piece("train", 0, MaqamConfig(section_clips=(1, 1), seed=1)))
    assert len({render(piece).sections[0].tonic for piece in pieces}) == 3


@pytest.mark.parametrize(
    "change",
    [{"section": "x"}, {"section": 3}, {"clips": None}, {"clips": 10**9}, {"maqam": 5}, {"notes": "x"}],
)
def test_damaged_labels_are_counted(tmp_path, change):
    place = tmp_path / "train" / "Piece00000"
    write_piece(Piece("train", 0, MaqamConfig(section_clips=(1, 1))), place)
    labels = json.loads((place / LABELS).read_text())
    labels["piece-1"].update(change)
    (place / LABELS).write_text(json.dumps(labels))
    tally = Tally()
    assert len(MaqamPieces.scan(tmp_path, tally)["train"]) == 2
    assert tally.rejected.total() == 1


def test_soundfonts_do_not_play():
    with pytest.raises(UserError, match="physical models"):
        MaqamConfig(soundfonts=("TimGM6mb.sf2",))
