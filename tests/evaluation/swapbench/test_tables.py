from dataclasses import replace

import numpy as np
import pytest

from msdae.evaluation import figures
from msdae.evaluation.swapbench import chart, tables
from msdae.evaluation.swapbench import scores as scoring
from msdae.evaluation.swapbench.cases import plan
from msdae.evaluation.swapbench.results import Results
from msdae.evaluation.swapbench.systems import CODEC, COPY_MELODY, COPY_TIMBRE, TRUTH, Output
from msdae.evaluation.tables import EMPTY, Value

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
    results = Results.begin(tmp_path, MANIFEST, CASES)
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
    return [cell.point if isinstance(cell, Value) else cell for cell in found]


def test_intervals_are_over_pieces_not_over_their_cases(results):
    by_piece = [
        replace(case, melody=replace(case.melody, piece=f"{n // 3}")) for n, case in enumerate(CASES[4:])
    ]
    for number, case in enumerate(by_piece):
        scores = results.scores[(case.id, MODEL, "")]
        results.scores[(case.id, MODEL, "")] = scores | {scoring.PITCH: float(number < 3)}
    cell = tables.mean(results, Output(MODEL), by_piece, scoring.PITCH)
    assert (cell.value, cell.low, cell.high) == (0.5, 0.0, 1.0)  # a piece is as likely as the other


def test_swap_score_is_the_harmonic_mean_of_shares():
    means = np.array([[0.4, 0.5, 0.8, 0.5], [0.9, 0.9, 0.8, 0.5], [0.0, 1.0, 0.8, 0.5], [0.5, 0.5, 0.0, 0.0]])
    np.testing.assert_allclose(tables.swap_score(means), [2 * 0.5 / 1.5, 1, 0, np.nan])


def test_where_the_codec_reaches_nothing_there_is_no_swap_score(results):
    for case in CASES:
        results.scores[(case.id, CODEC, "")] = results.scores[(case.id, CODEC, "")] | {scoring.TOP1: 0.0}
    rows = [results.scores[(case.id, TRUTH, "")] for case in CASES]
    results.add(Output("nearest neighbours"), CASES, rows, np.zeros((len(CASES), 8)))
    (short,), full = tables.swapbench(results)
    assert cells(short, "truth")[:3] == ["1.00", "1.00", EMPTY] and cells(short, "codec")[2] == EMPTY
    assert "learns nothing" not in short.note
    shares = next(table for table in full if table.title == "Swap scores, test split: melodies")
    assert cells(shares, "mine {1}")[3:] == [EMPTY, "0.500", EMPTY]
    assert "mine" not in figures.svg(chart.swap_scores([shares]))  # no mark without both shares


def test_draws_where_the_codec_reaches_nothing_are_left_out(results):
    for number, case in enumerate(CASES):
        for row in (TRUTH, CODEC):
            scores = results.scores[(case.id, row, "")]
            results.scores[(case.id, row, "")] = scores | {scoring.TOP1: float(number % 4 == 0)}
    (short,), _ = tables.swapbench(results)
    assert str(short.column(f"melodies: {tables.SWAP_SCORE}")["truth"]) == "1.00 [1.00, 1.00]"


def test_the_baseline_that_wins_is_named(results, monkeypatch):
    (short,), _ = tables.swapbench(results)
    assert "learns nothing" not in short.note
    rows = [results.scores[(case.id, TRUTH, "")] for case in CASES]
    results.add(Output("nearest neighbours"), CASES, rows, np.zeros((len(CASES), 8)))
    (short,), _ = tables.swapbench(results)
    assert (
        "What learns nothing scores highest: on melodies nearest neighbours, on notes nearest neighbours."
        in short.note
    )
    monkeypatch.setattr(tables, "UNTAUGHT", {output.row for output in results.outputs})
    (short,), _ = tables.swapbench(results)
    assert "learns nothing" not in short.note  # among baselines alone nothing wins


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
        "Swap scores, test split: melodies",
        "SwapBench, test split: sets of notes",
        "Swap scores, test split: notes",
    ]


def test_the_level_of_the_melody_scores_on_the_left_and_that_of_the_timbre_on_the_right(results):
    _, _, notes, melodies = tables.thesis(results, "test")
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


def test_distances_of_one_embedding_have_a_table_of_their_own(results):
    thesis, ours, *_ = tables.thesis(results, "test")
    assert cells(thesis, "MSDAE (thesis)") == ["0.56", "0.41"] and "CLAP" in thesis.note
    assert [row[0] for row in ours.rows] == ["codec", "mine, reconstruction"]
    assert ours.title.endswith("embedding embedded") and "not on CLAP's scale" in ours.note
    assert all(cell.value >= 0 for row in ours.rows for cell in row[1:])
    assert "biased" in ours.note  # too few clips for the dimensions
    of_sets = next(table for table in tables.swapbench(results)[1] if "sets of notes" in table.title)
    assert cells(of_sets, "truth")[0] == "0.000"


def test_kad_of_outputs_near_the_truth_is_not_0(results):
    """Defect 3: each truth was compared with its own output too, which pulled KAD below 0, and so to 0."""
    rng = np.random.default_rng(1)
    truth = results.embeddings(Output(TRUTH), CASES)
    near = 1.6 * truth + 0.01 * rng.normal(size=truth.shape)
    scores = [results.scores[(case.id, MODEL, "")] for case in CASES]
    results.add(Output("near"), CASES, scores, near)
    table = next(table for table in tables.swapbench(results)[1] if "sets of notes" in table.title)
    assert table.column("KAD to truth ↓")["near"].value > 1


def test_shares_say_what_a_row_is(results):
    table = tables.shares(results, "test", "melodies")
    parts = {
        row: tuple(table.column(name)[row] for name in (tables.SYSTEM, tables.PART, tables.LEVELS))
        for row in ("codec", "mine, reconstruction", "mine {1}")
    }
    assert parts["codec"] == ("codec", tables.BOUND, "")
    assert parts["mine, reconstruction"] == (MODEL, tables.RECONSTRUCTION, "")
    assert parts["mine {1}"] == (MODEL, tables.ANSWER, "1")
    assert "truth" not in table.column(tables.SYSTEM)
    score, melody, timbre = (cells(table, "mine {1}")[place] for place in (3, 4, 5))
    assert (score, melody, timbre) == ("0.667", "0.500", "1.000")
    assert table.rows[-1][-1].low is not None


def test_an_output_that_is_not_complete_has_no_row(results):
    results.add(Output(MODEL, "1,2"), CASES[:3], [{}] * 3, np.zeros((3, 8)))
    (short,), _ = tables.swapbench(results)
    assert "mine {1,2}" not in [name for name, *_ in short.rows]
