from types import SimpleNamespace

import pytest
import torch

from msdae.evaluation.swapbench import cases, players
from msdae.evaluation.tables import Value
from msdae.synthesis.players import PEAK


def loudest(group, waveforms):
    """The loudness of outputs, in place of their scores."""
    return [(float(w.abs().max()), 0.5, 0.25) for w in waveforms]


class Copy:
    """A pipeline that swaps nothing."""

    class model:
        stage = 3

    class sampling:
        seed = 0


def test_players_are_compared_on_equal_cases(monkeypatch):
    """The loudness of the melody source itself stands for the scores of a swap."""
    monkeypatch.setattr(players.Model, "swap", lambda self, batch, levels: batch.melody)
    monkeypatch.setattr(players, "melody_and_timbre", loudest)
    group = cases.plan("valid", 0, {"monophonic": 2})
    table = players.measure(Copy(), group, ("piano", "held formula"))
    assert [row[0] for row in table.rows] == [players.ORIGINAL, "piano", "held formula"]
    melody = table.column("melody F1 ↑")
    assert all(isinstance(cell, Value) and cell.low <= cell.value <= cell.high for cell in melody.values())
    assert [melody[name].value for name in ("piano", "held formula")] == pytest.approx([PEAK, PEAK], rel=1e-3)
    assert table.column("timbre top-1 ↑")["piano"].value == 0.5


def test_scores_are_compared_in_up_to_so_many_voices(monkeypatch):
    """The number of voices that reach the pipeline stands for the scores of a swap."""
    asked = []

    def counting(most):
        def swap(timbre, score, levels, sample_rate):
            asked.append(score)
            voices = len(score.voices(most))
            return torch.full((voices * 1000,), float(voices))

        return SimpleNamespace(swap=swap, sample_rate=44100)

    monkeypatch.setattr(players, "melody_and_timbre", loudest)
    group = cases.plan("valid", 0, {"two voices": 1, "polyphonic": 1})
    table = players.measure_voices({most: counting(most) for most in (1, 2, 3)}, group)
    found = [cell.value for cell in table.column("melody F1 ↑").values()]
    assert [row[0] for row in table.rows] == ["all notes in one", "at most 2", "at most 3"]
    assert found[0] == 1.0 < found[1] <= 2.0 < found[2] <= 3.0
    assert {tuple(map(tuple, score.notes)) for score in asked} == {tuple(case.melody.notes) for case in group}


def test_recordings_are_compared_as_they_are_and_read(monkeypatch):
    scale = {"plain": 0.5, "loud": 2.0}
    model = lambda name, pipeline, swaps: SimpleNamespace(  # noqa: E731
        swap=lambda batch, levels: scale[pipeline] * batch.melody / batch.melody.abs().max()
    )
    monkeypatch.setattr(players, "Model", model)
    monkeypatch.setattr(players, "melody_and_timbre", loudest)
    groups = {kind: cases.plan("valid", 0, {kind: 2}) for kind in ("monophonic", "two voices")}
    table = players.measure_reading({"as it is": "plain", "read": "loud"}, groups)
    found = {name: cell.value for name, cell in table.column("melody F1 ↑").items()}
    assert list(found) == [f"{kind}, {name}" for kind in groups for name in ("as it is", "read")]
    assert all(value == (0.5 if "is" in name else 2.0) for name, value in found.items())
