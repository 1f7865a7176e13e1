"""Rows that no model has a part in are scored once."""

from types import SimpleNamespace

import pytest

from msdae.audio import neighbours
from msdae.evaluation import source_hash
from msdae.evaluation.metrics import embeddings
from msdae.evaluation.swapbench import cases, known, run
from msdae.evaluation.swapbench.known import KnownScores
from msdae.evaluation.swapbench.run import EvaluationConfig, evaluate
from msdae.evaluation.swapbench.systems import Function

pytestmark = pytest.mark.usefixtures("few_references")
FEW = EvaluationConfig(splits=("unseen",), cases=1, report_cases=0)


@pytest.fixture
def swapped(monkeypatch):
    """The swaps that nearest neighbours were asked for; they answer with the melody source."""
    calls = []

    def swap(timbre, melody):
        calls.append(melody)
        return melody

    monkeypatch.setattr(run, "untaught", lambda: [Function(neighbours.ROW, swap)])
    monkeypatch.setattr(run, "BATCH", 2)
    return calls


def test_a_second_evaluation_scores_the_first_batch_alone(swapped, scores, tmp_path, monkeypatch):
    before = set(scores.iterdir())
    first = evaluate({}, tmp_path / "a", FEW)
    assert len(swapped) == 4 and len(set(scores.iterdir()) - before) == 5
    again = evaluate({}, tmp_path / "b", FEW, functions={"mine": lambda timbre, melody: timbre})
    assert len(swapped) == 4 + 2
    rows = [{row[0]: row[1:] for row in short[0].rows} for short, _ in (first, again)]
    for name in ("truth", "copy timbre source", "codec", neighbours.ROW):
        assert rows[0][name] == rows[1][name]
    monkeypatch.setattr(source_hash, "fingerprint", lambda names: "of other code")
    evaluate({}, tmp_path / "c", FEW)
    assert len(swapped) == 4 + 2 + 4


def test_scores_are_of_the_clips_that_timbres_are_compared_with(codec, monkeypatch):
    results = SimpleNamespace(cases=cases.plan("test", 0, {cases.NOTE: 2}))
    first, again = (KnownScores(results, codec, None, embeddings.load()).keys["truth"] for _ in range(2))
    monkeypatch.setattr(known, "references", lambda split, kind: cases.references(split, kind, seed=7))
    assert first == again != KnownScores(results, codec, None, embeddings.load()).keys["truth"]


def test_scores_are_of_a_codec_and_a_library(codec):
    results = SimpleNamespace(cases=cases.plan("test", 0, {cases.NOTE: 2}))
    other, library = SimpleNamespace(identity="another"), SimpleNamespace(fingerprint="of samples")
    mine, coded, sampled = (
        KnownScores(results, *of, embeddings.load()).keys
        for of in ((codec, None), (other, None), (codec, library))
    )
    assert coded["codec"] != mine["codec"] and coded["truth"] == mine["truth"]
    assert sampled["truth"] != mine["truth"]
