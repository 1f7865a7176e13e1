from msdae.evaluation.composers.copying import RUN, TrainingRuns
from msdae.symbolic.notes import Score, ScoreNote


def tune(pitches, shift=0):
    return Score(([ScoreNote(n, 1, p + shift) for n, p in enumerate(pitches)],))


PITCHES = [60, 62, 64, 65, 67, 65, 64, 62, 60, 67, 60, 72]


def test_a_copy_in_another_key_is_a_copy():
    known = TrainingRuns([tune(PITCHES)])
    copied = known.copied(tune(PITCHES, 3))
    assert copied.share == 1 and copied.longest == len(PITCHES)


def test_a_part_of_it_is_found():
    known = TrainingRuns([tune(PITCHES), tune([50, 51, 50])])
    copied = known.copied(tune([70, 50, *PITCHES[2 : 2 + RUN], 40, 90]))
    assert copied.longest == RUN and 0 < copied.share < 0.5


def test_other_tunes_and_rhythms_are_none():
    known = TrainingRuns([tune(PITCHES)])
    slow = Score(([ScoreNote(2 * n, 2, p) for n, p in enumerate(PITCHES)],))
    assert known.copied(slow).longest == 0 and known.copied(slow).share == 0
    assert known.copied(Score(())).longest == 0


def test_runs_do_not_go_from_one_piece_into_the_next():
    known = TrainingRuns([tune(PITCHES[:6]), tune(PITCHES[5:])])
    assert known.copied(tune(PITCHES)).longest == 7
