import dataclasses

import pytest
import torch

from msdae.evaluation.swapbench import scores as scoring
from msdae.evaluation.swapbench.cases import plan
from msdae.evaluation.swapbench.sounds import play
from msdae.evaluation.swapbench.systems import CaseBatch

COUNTS = {"monophonic": 3, "note": 4}


@pytest.fixture(scope="module")
def batch():
    drawn = plan("unseen", 0, COUNTS)
    sounds = (
        torch.stack([play(getattr(case, role)) for case in drawn]) for role in ("timbre", "melody", "truth")
    )
    return CaseBatch(drawn, *sounds)


@pytest.fixture(scope="module")
def facts(batch):
    return scoring.facts(batch)


def means(rows, metric):
    found = [row[metric] for row in rows if metric in row]
    return sum(found) / len(found)


def test_the_truth_is_perfect(facts, batch):
    rows = scoring.score(facts, batch.truth, swapped=False)
    for row in rows:
        assert row[scoring.F1_HEARD] == 1 and row[scoring.SSIM] == pytest.approx(1)
        assert row[scoring.LOG_MEL] == 0 and row[scoring.MSE] == 0
        assert row[scoring.TIMBRE] == pytest.approx(1) == row[scoring.TARGET_TIMBRE]
    assert means(rows, scoring.F1) > 0.4 and means(rows, scoring.TOP1) > 0.7
    assert sum(scoring.PITCH in row for row in rows) == COUNTS["note"]


def test_copies_have_one_half_each(facts, batch):
    melody, timbre = (scoring.score(facts, sound, swapped=True) for sound in (batch.melody, batch.timbre))
    assert means(melody, scoring.F1) > 0.4 and means(melody, scoring.TOP1) < 0.3
    assert means(timbre, scoring.F1) < 0.2 and means(timbre, scoring.TOP1) > 0.6
    assert means(timbre, scoring.TIMBRE) > means(melody, scoring.TIMBRE)


def test_the_target_of_a_swap_is_the_timbre_source(facts, batch):
    copied = scoring.score(facts, batch.timbre, swapped=True)
    assert means(copied, scoring.TARGET_TIMBRE) == pytest.approx(1)
    assert means(copied, scoring.TARGET_F1) > 0.4 > means(copied, scoring.F1)
    whole = scoring.score(facts, batch.truth, swapped=False)
    assert means(whole, scoring.TARGET_F1) == means(whole, scoring.F1)


def test_without_a_truth_only_what_is_known_is_scored(batch):
    paired = dataclasses.replace(batch, truth=None)
    rows = scoring.score(scoring.facts(paired), batch.timbre, swapped=False)
    assert means(rows, scoring.TARGET_F1) > 0.4 and means(rows, scoring.TARGET_TIMBRE) == pytest.approx(1)
    assert not any(scoring.TOP1 in row or scoring.LOG_MEL in row for row in rows)


def test_quick_scores_are_the_same(facts, batch):
    rows = scoring.score(facts, batch.melody, swapped=True)
    found = scoring.melody_and_timbre(batch.cases, batch.melody)
    wanted = [(row.get(scoring.PITCH, row[scoring.F1]), row[scoring.TOP1]) for row in rows]
    assert [scores[:2] for scores in found] == wanted
