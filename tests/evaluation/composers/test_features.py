import pytest

from msdae.evaluation.composers import features
from msdae.symbolic.notes import Score, ScoreNote

SCALE = Score(([ScoreNote(n, 1, p) for n, p in enumerate((60, 62, 64, 65, 67, 69, 71, 72))],))
CHORDS = Score(([ScoreNote(0, 4, 72), ScoreNote(8, 4, 72)], [ScoreNote(0, 8, 60)]))


def test_a_scale():
    assert features.pitch_range(SCALE) == 12
    assert features.pitch_entropy(SCALE) == pytest.approx(3)  # eight pitches, each as often
    assert features.pitch_class_entropy(SCALE) == pytest.approx(2.75)
    assert features.scale_consistency(SCALE) == 1
    assert features.groove_consistency(SCALE) == 1
    assert features.used_pitch_classes(SCALE) == 4
    assert features.qualified_notes(SCALE) == 1
    assert features.interval(SCALE) == pytest.approx(12 / 7)
    assert features.polyphony(SCALE) == 1 and features.polyphony_rate(SCALE) == 0


def test_chords_and_silence():
    assert features.polyphony(CHORDS) == pytest.approx(16 / 12)
    assert features.polyphony_rate(CHORDS) == pytest.approx(1 / 3)
    assert features.empty_bars(CHORDS) == pytest.approx(2 / 6)
    assert features.tonal_distance(CHORDS) == 0  # octaves are of one class
    rest = Score(([ScoreNote(0, 1, 60), ScoreNote(3, 1, 61)],))
    assert features.empty_beat_rate(rest) == 0.5
    assert features.qualified_notes(Score(([ScoreNote(0, 0.5, 60), ScoreNote(1, 0.75, 60)],))) == 0.5


def test_nothing_is_said_of_silence():
    assert {name for name, f in features.VOICES.items() if f(Score(())) is not None} == set()


def test_distance_grows_with_the_circle_of_fifths():
    def pair(interval):
        return Score(([ScoreNote(0, 4, 60)], [ScoreNote(0, 4, 60 + interval)]))

    fifth, tritone = (features.tonal_distance(pair(i)) for i in (7, 6))
    assert 0 < fifth < tritone


def test_distance_counts_a_last_half_bar_whose_end_is_rounded():
    """Regression: eighths of triplets, which end a rounding error before the bar, lost its second half."""
    third = 1 / 3 - 1e-9
    parts = [[ScoreNote(n / 3, third, pitch) for n in range(12)] for pitch in (60, 66)]
    whole = [[ScoreNote(n / 3, 1 / 3, pitch) for n in range(12)] for pitch in (60, 66)]
    moved = [parts[0], [note._replace(pitch=60 if note.onset < 2 else 66) for note in parts[1]]]
    assert features.tonal_distance(Score(tuple(parts))) == features.tonal_distance(Score(tuple(whole)))
    assert features.tonal_distance(Score(tuple(moved))) > 0
