import numpy as np

from msdae.models.composers import rolls
from msdae.symbolic.notes import Score, ScoreNote


def test_excerpts_begin_with_bars_and_keep_all_notes():
    roll = np.zeros((48, 12))
    roll[np.arange(48), [1, 9] * 24] = 1
    for seed in range(20):
        part = rolls.cut(roll, 32, np.random.default_rng(seed))
        assert part.shape == (32, 12)
        assert part.sum() in (32, 16) and np.ptp(np.argwhere(part)[:, 1]) == 8


def test_phrases_follow_each_other():
    phrase = Score(([ScoreNote(0, 8, 60)], [ScoreNote(4, 4, 48)]))
    tune = rolls.phrases([phrase, phrase], 3)
    assert [note.onset for note in tune.parts[0]] == [0, 8]
    assert [note.onset for note in tune.parts[1]] == [4]
