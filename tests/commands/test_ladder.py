import functools
import json
import runpy
import sys
from pathlib import Path

import pytest

from msdae.evaluation.swapbench import selection

pytestmark = pytest.mark.usefixtures("few_references", "decoded_once")
SCRIPT = Path(__file__).parents[2] / "experiments" / "ladder.py"
TINY = ["model.widths=[16,16,24]", "model.hidden=16", "batch_size=4", "validation_batches=1", "trackers=[]"]
TINY += ["pretrain=2", "pretrain_batch=4"]


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["ladder.py", *map(str, arguments)])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def test_every_recipe_is_trained_and_scored(tiny, tmp_path, monkeypatch, capsys):
    few = functools.partial(selection.quick, counts={"monophonic": 1})
    monkeypatch.setattr(selection, "quick", few)
    sets = [word for setting in TINY for word in ("--set", setting)]
    out = tmp_path / "ladder.md"
    run(monkeypatch, "--steps", "2,2", "--data", tiny, "--run", tmp_path / "runs", "--out", out, *sets)
    rows = [line.split("|")[1].strip() for line in out.read_text().splitlines() if line.startswith("|")][2:]
    assert rows == ["same-clip", "cross-excerpt", "perturbed-content", "small"]
    contrasts = {}
    for name in rows:
        lines = (tmp_path / "runs" / name / "stage2" / "log.jsonl").read_text().splitlines()
        contrasts[name] = "contrast" in json.loads(lines[0])
    assert contrasts == {name: name != "same-clip" for name in rows}
    assert "Recipes, validation split" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "2"], "two numbers or three"),
        (["--steps", "2,x"], "--steps"),
        (["--out", "nowhere/ladder.md"], "nowhere"),
        (["--set", "stepss=3"], "did you mean 'steps'"),
    ],
)
def test_bad_input_ends_with_exit_code_2(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, *arguments)
    assert ended.value.code == 2 and message in capsys.readouterr().err
