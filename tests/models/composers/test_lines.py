import numpy as np
import pytest
import torch

from msdae.models.composers import lines
from msdae.symbolic.notes import Score, ScoreNote
from msdae.symbolic.tokens import BEGIN, END, REST, Durations


def test_lines_are_encoded_with_their_places():
    code = lines.encoded([(60, 24), (REST, 12), (62, 12)], Durations((12, 24)))
    assert code.tolist() == [[BEGIN, 0, 0], [60, 1, 0], [REST, 0, 4], [62, 0, 6], [END, 0, 8]]


def test_transposition_moves_notes_alone():
    pitches = np.array([BEGIN, 60, REST, 127, END])
    for seed in range(20):
        moved = lines.transposed(pitches, np.random.default_rng(seed))
        assert moved[[0, 2, 4]].tolist() == [BEGIN, REST, END]
        assert moved[3] <= 127 and moved[3] - moved[1] == 67


def test_tunes_end_with_their_bars_and_rests_do_not_last():
    tunes = lines.Tunes(2, 1, None, Durations((48, 192)))
    while not tunes.complete:
        tunes.add(torch.tensor([60, REST]), torch.tensor([1, 1]))
    held, silent = tunes.scores()
    assert held.parts == ([ScoreNote(0, 4, 60)],) and silent.parts == ()
    assert len(tunes.drawn[1]) == 4  # of a quarter each


def test_equal_steps_are_one_note():
    tunes = lines.Tunes(1, 1, None, Durations((6,)))
    for pitch in [60] * 8 + [62] * 8:
        tunes.add(torch.tensor([pitch]), torch.tensor([0]))
    assert tunes.scores(joint=True)[0].parts == ([ScoreNote(0, 2, 60), ScoreNote(2, 2, 62)],)


def test_a_vocabulary_without_durations_is_none():
    with pytest.raises(ValueError, match="durations"):
        lines.durations({"ticks": []})
    assert lines.count([Score(([ScoreNote(0, 1, 60)],))]) == {"ticks": [24], "low": 60, "high": 60}
