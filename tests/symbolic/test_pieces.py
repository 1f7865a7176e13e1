import pytest

from msdae.errors import UserError
from msdae.symbolic import pieces
from msdae.symbolic.notes import Score, ScoreNote
from msdae.symbolic.scores import write_score


def tune(*pitches):
    return Score(([ScoreNote(place, 1, pitch) for place, pitch in enumerate(pitches)],))


def test_pieces_that_begin_alike_are_in_one_split_whatever_their_key():
    opening = (60, 62, 64, 65, 67, 69, 71, 72, 74)
    scores = {str(n): tune(*(p + n for p in opening), 60 + n % 7) for n in range(12)}
    filled = [split for split, group in pieces.split(scores).items() if len(group) > 1]
    assert len(filled) == 1
    others = {f"x{n}": tune(60, 60 + n, 61 + 2 * n, 55 + n, 70 - n) for n in range(30)}
    assert all(pieces.split(others).values())


def test_what_fills_an_empty_split_leaves_nothing_alike_behind():
    alike = {name: tune(60, 62, 64, 65) for name in "abz"}
    assert list(map(len, pieces.split(alike).values())) == [3, 0, 0]
    splits = pieces.split({**alike, "c": tune(60, 64, 67, 72), "d": tune(60, 55, 62, 57)})
    assert {name: "".join(group) for name, group in splits.items()} == {
        "train": "c",
        "valid": "abz",
        "test": "d",
    }


def test_a_folder_of_midi(tmp_path):
    for number in range(5):
        write_score(tmp_path / f"{number}.mid", tune(60, 62 + number, 64, 65 + number))
    (tmp_path / "broken.mid").write_bytes(b"MThd")
    (tmp_path / "notes.txt").write_text("no score")
    splits, refused = pieces.folder(tmp_path, 1)
    assert sum(map(len, splits.values())) == 5 and all(splits.values())
    assert len(refused) == 1 and "broken.mid" in refused[0]
    with pytest.raises(UserError, match="0 of 6 files can be used"):
        pieces.folder(tmp_path, 4)
    with pytest.raises(UserError, match="no such folder"):
        pieces.folder(tmp_path / "nowhere", 1)
