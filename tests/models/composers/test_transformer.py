import pytest
import torch

from msdae.errors import UserError
from msdae.models.composers import COMPOSERS


def test_long_pieces_are_scored_by_windows(small):
    """The likelihood of a piece longer than the window is near that by windows of another size."""
    composer, pieces = small("transformer", window=16)
    other, _ = small("transformer", window=64)
    other.load_state_dict(composer.state_dict())
    nats, symbols = composer.nll(pieces[0])
    assert symbols == len(composer.encode(pieces[0])) - 1
    assert nats == pytest.approx(other.nll(pieces[0])[0], rel=0.05)


def test_a_long_tune_outlasts_the_window(small):
    composer, _ = small("transformer", window=8)
    score = composer.compose(12, torch.Generator().manual_seed(0))
    assert score.quarters == pytest.approx(48, abs=1.1)


def test_sizes_have_to_fit():
    with pytest.raises(UserError, match="width 30: give a multiple"):
        COMPOSERS["transformer"].Config(width=30)
