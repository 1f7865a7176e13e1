import pytest
import torch


@pytest.mark.parametrize("alphabet", ["1d", "2d"])
def test_both_alphabets_compose_and_score(small, alphabet):
    composer, pieces = small("lstm", tokens=alphabet)
    score = composer.compose(2, torch.Generator().manual_seed(0))
    assert score.quarters == pytest.approx(8, abs=1.1)
    symbols = composer.nll(pieces[0])[1]
    assert symbols == (81 if alphabet == "1d" else 41)  # 20 quarters or 40 notes, and the end


def test_in_1d_equal_neighbours_are_one_note(small):
    composer, _ = small("lstm", tokens="1d")
    (part,) = composer.compose(4, torch.Generator().manual_seed(0)).parts
    assert all(
        a.pitch != b.pitch or a.onset + a.duration < b.onset for a, b in zip(part[:-1], part[1:], strict=True)
    )
