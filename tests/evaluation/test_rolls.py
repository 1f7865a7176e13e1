import pytest

from msdae.errors import UserError
from msdae.evaluation.rolls import plot_roll
from msdae.symbolic.notes import Score, ScoreNote


def test_rolls_are_drawn_alike_and_even_of_silence(tmp_path):
    score = Score(([ScoreNote(0, 1, 60)], [ScoreNote(0, 4, 48)]))
    for name in ("a.svg", "b.svg"):
        plot_roll(tmp_path / name, {"one $": score, "silence": Score(())}, columns=2)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "C4" in (tmp_path / "a.svg").read_text()
    with pytest.raises(UserError, match="pictures are written as"):
        plot_roll(tmp_path / "a.txt", {"one": score})
