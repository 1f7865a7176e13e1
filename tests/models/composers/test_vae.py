import pytest
import torch

from msdae.errors import UserError
from msdae.symbolic.notes import Score, ScoreNote


def test_the_way_between_two_tunes_has_both_ends(small):
    composer, pieces = small("vae")
    series = composer.between(pieces[0], pieces[1], 3)
    ends = composer.between(pieces[0], pieces[1], 2)
    assert len(series) == 3 and [series[0], series[-1]] == ends
    with pytest.raises(UserError, match="count"):
        composer.between(pieces[0], pieces[1], 1)


def test_a_tune_begins_with_its_first_note(small):
    """Regression: of a tune after empty bars the code was that of silence."""
    composer, (piece, other, *_) = small("vae")
    parts = [[note._replace(onset=note.onset + 16) for note in part] for part in piece.parts]
    assert composer.between(Score(tuple(parts)), other, 2) == composer.between(piece, other, 2)


def test_mixing_all_numbers_gives_the_other_tune(small):
    composer, pieces = small("vae")
    assert composer.mixed(pieces[0], pieces[1], range(4)) == composer.between(pieces[0], pieces[1], 2)[1]
    assert composer.mixed(pieces[0], pieces[1], []) == composer.between(pieces[0], pieces[1], 2)[0]


def test_a_collapsed_code_has_no_active_units(small):
    composer, pieces = small("vae")
    with torch.no_grad():
        composer.code.weight.zero_()
        composer.code.bias.zero_()
    facts = composer.facts(pieces)
    assert "active units" not in composer.facts(pieces[:1])
    assert facts["active units"] == 0 and facts["divergence, nats"] == pytest.approx(0, abs=1e-6)


def test_symbols_are_those_of_the_piece_without_its_padding(small):
    composer, _ = small("vae")
    parts = tuple([ScoreNote(float(beat), 1.0, pitch) for beat in range(12)] for pitch in (72, 67, 60, 48))
    assert composer.nll(Score(parts))[1] == 12 * 4 * 4  # three bars
