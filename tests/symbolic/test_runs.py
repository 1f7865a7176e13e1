import numpy as np
import pytest

from msdae.symbolic.notes import Score
from msdae.symbolic.runs import RUN, Runs, intervals, line_of_steps
from msdae.symbolic.tokens import LINE_REST, REST, line, part_of

TUNE = [
    (p, t) for p, t in zip([60, 62, 64, 65, 67, 65, 64, 62, 60, 67, 59, 72], [12, 6, 6, 24] * 3, strict=True)
]


def runs(*tunes):
    return Runs.of([Score((part_of(tune),)) for tune in tunes])


def test_the_next_note_of_a_copy_completes_a_run_in_any_key():
    known = runs(TUNE)
    assert len(known.hashes) == len(TUNE) - RUN
    for shift in (-5, 0, 7):
        moved = [(pitch + shift, ticks) for pitch, ticks in TUNE]
        for length in range(len(TUNE)):
            completed = np.flatnonzero(known.completed_by(moved[:length])).tolist()
            assert completed == ([moved[length][0]] if length >= RUN else [])


def test_another_rhythm_or_note_is_no_copy():
    known = runs(TUNE)
    for place in (1, RUN - 1):
        other = [*TUNE[:RUN]]
        other[place] = (other[place][0], 18)
        assert not known.completed_by(other).any()
    other[place] = (80, TUNE[place][1])
    assert not known.completed_by(other).any()
    longer = [(TUNE[0][0], 48), *TUNE[1:RUN]]  # how long the first note is held does not count
    assert known.completed_by(longer).any()


def test_rests_between_notes_are_passed_over():
    known = runs(TUNE)
    assert known.completed_by([*TUNE[:4], (REST, 12), *TUNE[4:RUN], (REST, 6)]).any()
    short = [*TUNE[: RUN - 1], (TUNE[RUN - 1][0], 22), (REST, 2)]  # 24 ticks, articulated
    assert known.completed_by(short).any()


def test_the_note_that_is_held_on_completes_nothing():
    same = [*TUNE[:RUN], TUNE[RUN - 1]]
    known = runs(same)
    assert known.completed_by(TUNE[:RUN]).any() and not known.completed_by(TUNE[:RUN], held=True).any()


@pytest.mark.parametrize("tunes", [[], [TUNE[:RUN]]])
def test_short_pieces_have_no_runs(tunes):
    known = runs(*tunes)
    assert len(known.hashes) == 0 and not known.completed_by(TUNE).any()


def test_lines_of_steps_and_of_notes_are_alike():
    column = [60] * 4 + [LINE_REST] * 2 + [62, 62, 64]
    assert line_of_steps(column) == [(60, 24), (REST, 12), (62, 12), (64, 6)]
    assert intervals(line(part_of(line_of_steps(column)))) == [(2, 12), (2, 6)]


def test_hashes_hardly_ever_meet():
    rng = np.random.default_rng(0)
    tunes = [[(int(p), 6) for p in rng.integers(40, 80, 200)] for _ in range(50)]
    known = runs(*tunes)
    assert len(known.hashes) > 50 * 192 - 3
    asked = [[(int(p), 6) for p in rng.integers(40, 80, RUN)] for _ in range(200)]
    assert sum(known.completed_by(one).sum() for one in asked) <= 2
