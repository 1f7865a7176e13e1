import numpy as np
import pytest
import torch

from msdae.errors import UserError
from msdae.models.composers.four_voices import KEYS, REST, _context, _held, _moved, _over_keys
from msdae.symbolic.notes import Score
from msdae.symbolic.tokens import voices


def test_symbols_know_how_long_they_are_held():
    values = torch.tensor([[1], [1], [2], [2], [2], [1]])[None]
    assert _held(values).flatten().tolist() == [1, 2, 1, 2, 3, 1]


def test_each_symbol_knows_the_latest_of_each_voice():
    latest, held = _context(torch.tensor([[1, 2, 3, 4], [1, 6, 7, 8]])[None])
    assert latest[0].tolist() == [[1, 2, 3, 4], [1, 2, 3, 4], [1, 6, 3, 4], [1, 6, 7, 4]]
    assert held[0].tolist() == [[1, 1, 1, 1], [2, 1, 1, 1], [2, 1, 1, 1], [2, 1, 1, 1]]


def test_what_is_sampled_step_by_step_is_what_is_scored(small):
    """The logits by the cache are those of the whole piece."""
    composer, pieces = small("four_voices")
    composer.eval()
    whole = np.concatenate([np.full((1, 4), 129), composer.encode(pieces[0])[:10]])
    values = torch.from_numpy(whole)[None]
    with torch.no_grad():
        expected = composer._logits(values)
        cache = []
        for step in range(1, 11):
            for voice in range(4):
                logits = composer._last(values[:, : step + 1], voice, 0, cache)
                torch.testing.assert_close(logits, expected[:, (step - 1) * 4 + voice], atol=1e-4, rtol=1e-4)


def test_likelihoods_are_of_the_mean_over_keys(small):
    composer, pieces = small("four_voices")
    logits = torch.full((len(KEYS), 1, 130), -20.0)
    for key, shift in zip(logits, KEYS, strict=True):
        key[0, 60 + shift] = 20.0 if shift else -20.0
        key[0, 128] = -20.0 if shift else 20.0
    shares = _over_keys(logits)[0]
    assert float(shares[60]) == pytest.approx(1 - 1 / len(KEYS)) and float(shares[128]) == pytest.approx(
        1 / len(KEYS)
    )
    assert _moved(torch.tensor([60, 127, 128, 129]), 3).tolist() == [63, 127, 128, 129]
    nats, symbols = composer.nll(pieces[0])
    short = torch.from_numpy(np.concatenate([np.full((1, 4), 129), composer.encode(pieces[0])]))
    assert symbols == 4 * (len(short) - 1) and 0 < nats < 130 * symbols


def test_transposed_pitches_stay_pitches(small):
    composer, _ = small("four_voices")
    rng = np.random.default_rng(0)
    for low, high in ((1, 40), (90, 126)):
        piece = np.tile([high, high - 3, low + 4, low], (16, 1))
        for _ in range(20):
            part = composer.excerpt(piece, rng)[1:]
            assert ((part >= 0) & (part < REST)).all() and len(np.unique(part - piece)) == 1


def test_infilling_keeps_the_other_voices(small):
    composer, pieces = small("four_voices")
    filled = composer.infill(pieces[0], 1, torch.Generator().manual_seed(0))
    table, given = composer.encode(pieces[0]), pieces[0]
    steps = {tuple(row) for row in voices(filled)[:, [0, 1, 2, 3][: voices(filled).shape[1]]]}
    assert steps and filled.quarters == given.quarters
    assert [filled.parts[voice] for voice in (0, 2, 3)] == [given.parts[voice] for voice in (0, 2, 3)]
    assert table.shape[1] == 4
    with pytest.raises(UserError, match="voice"):
        composer.infill(given, 4, torch.Generator())
    with pytest.raises(UserError, match="needs 4; give"):
        composer.infill(Score(given.parts[:2]), 0, torch.Generator())


def test_a_narrow_window_knows_its_place_in_the_bar(small):
    """Regression: excerpts of a likelihood began anywhere where a window was shorter than two bars."""
    narrow, pieces = small("four_voices")
    wide, _ = small("four_voices", window=96)
    for name, parameter in narrow.named_parameters():
        if not name.startswith(("place", "head", "body.norm")):
            parameter.data.zero_()  # what is left depends on the place alone
    wide.load_state_dict(narrow.state_dict())
    assert narrow.nll(pieces[0])[0] == pytest.approx(wide.nll(pieces[0])[0], rel=1e-5)
