from msdae.data.cache import pitch_sets


def test_a_pitch_that_two_notes_have_in_a_frame_counts_once():
    """Regression: a note repeated within a frame, or a unison, was silence there."""
    held = pitch_sets([(0.0, 4.0, 60, 90)], 8, 4.0)
    repeated = pitch_sets([(0.0, 1.3, 60, 90), (1.3, 4.0, 60, 90)], 8, 4.0)
    unison = pitch_sets([(0.0, 4.0, 60, 90), (0.0, 4.0, 60, 70)], 8, 4.0)
    assert (held == repeated).all() and (held == unison).all() and (held != 0).all()


def test_equal_sets_of_pitches_have_equal_numbers():
    numbers = pitch_sets(
        [(0.0, 1.0, 60, 90), (0.0, 1.0, 64, 90), (2.0, 3.0, 64, 9), (2.0, 3.0, 60, 9)], 4, 4.0
    )
    assert numbers[0] == numbers[2] != 0 and numbers[1] == numbers[3] == 0
    assert (pitch_sets(None, 4, 4.0) == -1).all()
