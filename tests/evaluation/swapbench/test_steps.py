from types import SimpleNamespace

import pytest
import torch

from msdae.evaluation import figures
from msdae.evaluation.swapbench import cases, steps
from msdae.evaluation.tables import EMPTY, Value
from msdae.inference.pipeline import Pipeline
from tests.inference.test_inference import Toy, random_model


def test_rows_say_how_good_and_how_dear_each_way_is(monkeypatch):
    """How often the network is called stands for what is heard: the more, the better."""
    pipeline, heard = Pipeline(random_model(Toy()), Toy()), []

    def output(name, batch, system, codec, compared, seed):
        heard.append((name, seed))
        return name

    def scores(group, name, library):
        worth = {steps.CODEC: 1.0, "dpmpp_2m, 4 steps": 0.25}.get(name, 0.5)
        return [(worth, float(worth > 0.4), worth)] * len(group)

    class Embedding:
        clips = 4

        def embed(self, sounds, sample_rate):
            """Of all rows but one the same as of the truth."""
            shift = 2.0 if isinstance(sounds, str) and sounds == "heun, 2 steps" else 0.0
            return shift + torch.randn(self.clips, 3, generator=torch.Generator().manual_seed(0))

    monkeypatch.setattr(steps.embeddings, "load", lambda name: Embedding())
    monkeypatch.setattr(steps, "_output", output)
    monkeypatch.setattr(steps, "melody_and_timbre", scores)
    compared = steps.ways({})
    assert not any(name.startswith(steps.STUDENT) for name in compared)  # this model has none
    named = steps.ways({"a": SimpleNamespace(most=16), "b": SimpleNamespace(most=1)})
    rows = [f"{name}, {count} steps" for name in ("a", "a antithetic") for count in steps.FEW]
    assert list(named)[:11] == [*rows, "b, 1 steps", "b antithetic, 1 steps", "dpmpp_2m, 2 steps"]
    group = cases.plan("valid", 0, {"monophonic": 2, cases.NOTE: 2})
    with pytest.warns(UserWarning, match="KAD is uncertain"):
        table = steps.measure(pipeline, group, compared, seed=3)
    assert {name for name, seed in heard if seed == 3} == {steps.CODEC, *compared}
    count = table.column(steps.COUNT)
    assert count["dpmpp_2m antithetic, 4 steps"].value == 24
    assert count["dpmpp_2m, 20 steps"].value == 60 and count["heun, 10 steps"].value == 57
    assert count[steps.CODEC] == EMPTY
    f1, less = table.column("melody F1 ↑"), table.column(f"F1, less {steps.REFERENCE}")
    assert f1["heun, 2 steps"].value == 0.5 and less["dpmpp_2m, 4 steps"].value == -0.25
    assert less[steps.REFERENCE] == EMPTY
    score = table.column("swap score ↑")
    assert score["dpmpp_2m, 4 steps"].value == 0 and score["heun, 2 steps"].value == pytest.approx(2 / 3)
    distance, notes = (table.column(name) for name in steps.OTHERS)
    assert distance["heun, 2 steps"].value > 10 > 0 == distance["heun, 4 steps"].value
    assert notes["dpmpp_2m, 4 steps"].value == 0 and notes[steps.CODEC].value == 1
    monkeypatch.setattr(Embedding, "clips", 1)
    alone = steps.measure(pipeline, group[:1], {"heun, 2 steps": compared["heun, 2 steps"]}, seed=3)
    assert alone.column(steps.OTHERS[0])["heun, 2 steps"] == EMPTY  # no set to measure from
    assert str(alone.column("melody F1 ↑")["heun, 2 steps"]) == "0.500"  # nor an interval
    assert "1 melody and 0 single notes" in alone.note
    figures.svg(figures.curves(alone, steps.COUNT, steps.PANELS))
    monkeypatch.setattr(
        steps, "melody_and_timbre", lambda group, name, library: [(0.5, 0.0, 0.5)] * len(group)
    )
    mute = steps.measure(pipeline, group[:1], {"heun, 2 steps": compared["heun, 2 steps"]}, seed=3)
    assert set(mute.column("swap score ↑").values()) == {EMPTY}  # the codec reaches no timbre
    figures.svg(figures.curves(mute, steps.COUNT, steps.PANELS))
    drawn = figures.svg(figures.curves(table, steps.COUNT, steps.PANELS))
    assert all(word in drawn for word in ("dpmpp_2m", "heun", "codec", "evaluations", "swap score"))
    assert isinstance(f1["heun, 2 steps"], Value)
