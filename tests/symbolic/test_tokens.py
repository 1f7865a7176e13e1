import numpy as np
import pytest

from msdae.errors import UserError
from msdae.symbolic import tokens
from msdae.symbolic.notes import Score, ScoreNote
from msdae.symbolic.tokens import LINE_REST, REST, TICKS

TUNE = [ScoreNote(0, 1, 60), ScoreNote(1, 0.5, 62), ScoreNote(2, 1.5, 64), ScoreNote(3.5, 1 / 3, 65)]


def test_a_line_keeps_notes_rests_and_triplets():
    symbols = tokens.line(TUNE)
    assert symbols == [(60, 24), (62, 12), (REST, 12), (64, 36), (65, 8)]
    back = tokens.part_of(symbols)
    assert [note.pitch for note in back] == [60, 62, 64, 65]
    np.testing.assert_allclose([n[:2] for n in back], [n[:2] for n in TUNE], atol=1e-9)


def test_of_chords_the_highest_note_is_kept_and_overlaps_are_cut():
    chord = [ScoreNote(0, 2, 48), ScoreNote(0, 2, 60), ScoreNote(1, 1, 64)]
    assert tokens.line(chord) == [(60, TICKS), (64, TICKS)]


def test_short_gaps_are_articulation():
    assert tokens.line([ScoreNote(0, 0.95, 60), ScoreNote(1, 1, 62)]) == [(60, TICKS), (62, TICKS)]


def test_the_melody_is_the_highest_part():
    low = [ScoreNote(0, 1, 40)]
    assert tokens.melody(Score((low, TUNE))) == tokens.line(TUNE)
    with pytest.raises(UserError, match="no pitched notes"):
        tokens.melody(Score(()))


def test_durations_are_the_most_frequent_ones():
    durations = tokens.Durations.of([[(60, 24), (60, 24), (60, 12), (60, 12), (60, 7)]], 2)
    assert durations.ticks == (12, 24)
    assert [durations.ticks[durations.index(ticks)] for ticks in (1, 17, 19, 99)] == [12, 12, 24, 24]


def test_steps_and_back():
    pitches = tokens.steps(TUNE)
    assert list(pitches[:8]) == [60] * 4 + [62] * 2 + [LINE_REST] * 2
    back = tokens.part_of_steps(pitches)
    assert [(n.onset, n.duration, n.pitch) for n in back[:3]] == [(0, 1, 60), (1, 0.5, 62), (2, 1.5, 64)]


def test_voices_are_ordered_high_to_low():
    high, low = [ScoreNote(0, 1, 72)], [ScoreNote(0, 2, 48)]
    table = tokens.voices(Score((low, high)))
    assert table.shape == (8, 2) and list(table[0]) == [72, 48] and list(table[-1]) == [LINE_REST, 48]
    assert tokens.score_of_voices(table).parts == ([ScoreNote(0, 1, 72)], [ScoreNote(0, 2, 48)])


def test_rolls_fold_octaves_and_come_back():
    active = tokens.roll(Score(([ScoreNote(0, 1, 96), ScoreNote(0, 0.5, 60)],)), 8, 36, 84)
    assert np.argwhere(active[0]).flatten().tolist() == [60 - 36, 72 - 36]
    (part,) = tokens.score_of_roll(active, 36).parts
    assert part == [ScoreNote(0, 0.5, 60), ScoreNote(0, 1, 72)]
    assert tokens.score_of_roll(np.zeros((8, 48)), 36).parts == ()


def test_notes_are_dealt_to_parts_of_one_note_at_a_time():
    chords = [(0, (72, 67, 60)), (1, (74, 65, 60)), (2, (76,))]  # and one that only the highest part has
    notes = [ScoreNote(float(onset), 1.0, pitch) for onset, chord in chords for pitch in chord]
    parts = tokens.dealt(notes[::-1], 4)
    assert [[note.pitch for note in part] for part in parts] == [[72, 74, 76], [67, 65], [60, 60]]
    crowded = tokens.dealt([ScoreNote(0.0, 1.0, pitch) for pitch in (72, 67, 60)], 2)
    assert [[note.pitch for note in part] for part in crowded] == [[72], [60, 67]]
    assert tokens.dealt([], 4) == []


def test_tunes_in_a_row_take_whole_bars():
    first = Score(([ScoreNote(0, 1, 60)],))
    (part,) = tokens.whole_tune([first, first], 90).parts
    assert [note.onset for note in part] == [0, 4]
