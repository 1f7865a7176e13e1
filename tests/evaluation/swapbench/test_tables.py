import numpy as np
import pytest

from msdae.evaluation.swapbench import scores as scoring
from msdae.evaluation.swapbench import tables
from msdae.evaluation.swapbench.cases import plan
from msdae.evaluation.swapbench.results import Results
from msdae.evaluation.swapbench.systems import CODEC, COPY_MELODY, COPY_TIMBRE, TRUTH, Output

MODEL = "mine"
MANIFEST = {
    "date": "2026-01-01",
    "seed": 0,
    "settings": {"embedding": {"name": "embedded"}},
    "checkpoints": {MODEL: {"hash": "a"}},
}
CASES = plan("test", 0, {"monophonic": 4, "note": 6})

# melody, timbre and both of the target: level 1 holds the timbre, level 3 the melody
KNOWN = {
    Output(TRUTH): (1.0, 1.0, 1.0, 1.0),
    Output(COPY_MELODY): (1.0, 0.0, 1.0, 0.2),
    Output(COPY_TIMBRE): (0.0, 1.0, 0.0, 0.2),
    Output(CODEC): (0.8, 0.5, 0.8, 0.9),
    Output(MODEL): (0.6, 0.5, 0.6, 0.9),
    Output(MODEL, "1"): (0.4, 0.5, 0.1, 0.8),
    Output(MODEL, "2"): (0.4, 0.0, 0.2, 0.4),
    Output(MODEL, "3"): (0.0, 0.0, 0.7, 0.3),
}


@pytest.fixture
def results(tmp_path):
    results = Results(tmp_path, MANIFEST, CASES)
    rng = np.random.default_rng(0)
    for output, (melody, top1, target, target_timbre) in KNOWN.items():
        scores = dict.fromkeys((scoring.F1_WIDE, scoring.F1_HEARD, scoring.LOG_MEL, scoring.SSIM), 0.0)
        scores |= {scoring.MSE: 0.0, scoring.TIMBRE: 0.5, scoring.TOP1: top1}
        scores |= {scoring.F1: melody, scoring.PITCH: melody, scoring.TARGET_TIMBRE: target_timbre}
        scores |= {scoring.TARGET_F1: target, scoring.TARGET_PITCH: target}
        results.add(output, CASES, [scores] * len(CASES), rng.normal(size=(len(CASES), 8)))
    return results


def cells(table, row):
    (found,) = [cells for name, *cells in table.rows if name == row]
    return [cell.split(" ")[0] for cell in found]


def test_swap_score_is_the_harmonic_mean_of_shares():
    means = np.array([[0.4, 0.5, 0.8, 0.5], [0.9, 0.9, 0.8, 0.5], [0.0, 1.0, 0.8, 0.5], [0.5, 0.5, 0.0, 0.0]])
    np.testing.assert_allclose(tables.swap_score(means), [2 * 0.5 / 1.5, 1, 0, 0])


def test_short_table(results):
    (short,), full = tables.swapbench(results)
    assert cells(short, "copy melody source")[:3] == ["1.00", "0.00", "0.00"]
    assert cells(short, "copy timbre source")[:3] == ["0.00", "1.00", "0.00"]
    assert cells(short, "codec")[2] == "1.00"
    assert cells(short, "mine {1}")[:3] == ["0.40", "0.50", "0.67"]
    assert cells(short, "mine, reconstruction")[2] == "0.86"
    assert [table.title for table in full] == [
        "SwapBench, test split: monophonic melodies",
        "SwapBench, test split: notes",
        "SwapBench, test split: sets of melodies",
        "SwapBench, test split: sets of notes",
    ]


def test_the_level_of_the_melody_scores_on_the_left_and_that_of_the_timbre_on_the_right(results):
    _, notes, melodies = tables.thesis(results, "test")
    assert cells(notes, "HDAE (thesis)") == ["0.29", "0.06", "0.01", "0.74", "0.59", "0.74", "0.69", "0.97"]
    assert cells(melodies, "MSDAE (thesis)") == [
        "0.090",
        "0.055",
        "0.022",
        "0.27",
        "0.63",
        "0.62",
        "0.75",
        "0.95",
    ]
    assert cells(notes, MODEL) == ["0.10", "0.20", "0.70", "0.60", "0.80", "0.40", "0.30", "0.90"]


def test_distances_of_sets(results):
    first, *_ = tables.thesis(results, "test")
    assert first.rows[1][:2] == ("MSDAE (thesis)", "0.56") and first.rows[1][4] == "0.41"
    assert all(float(cell) >= 0 for cell in cells(first, "mine, reconstruction"))
    assert "biased" in first.note  # too few clips for the dimensions
    *_, of_sets = tables.swapbench(results)[1]
    assert cells(of_sets, "truth")[0] == "0.000"


def test_an_output_that_is_not_complete_has_no_row(results):
    results.add(Output(MODEL, "1,2"), CASES[:3], [{}] * 3, np.zeros((3, 8)))
    (short,), _ = tables.swapbench(results)
    assert "mine {1,2}" not in [name for name, *_ in short.rows]
