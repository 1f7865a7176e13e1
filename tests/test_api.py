"""The Python of README.md and docs/api.md, in the order in which it stands there, and public names."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from msdae import audio
from msdae.evaluation import metrics, swapbench

ROOT = Path(__file__).parents[1]


@pytest.mark.usefixtures("few_references")
@pytest.mark.parametrize("page", ["README.md", "docs/api.md"])
def test_the_examples_run(page, melody, tmp_path, monkeypatch):
    audio.write(tmp_path / "a.wav", melody(3.5, seed=1)[0])
    audio.write(tmp_path / "b.wav", melody(4.0, seed=2)[0])
    monkeypatch.chdir(tmp_path)
    text = "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), flags=re.S))
    text = text.replace("quick(pipeline)", "quick(pipeline, counts={'monophonic': 1})")
    text = text.replace('learn("a.wav"', 'learn("a.wav", steps=1')
    names: dict = {}
    exec(compile(text, page, "exec"), names)
    if page == "docs/api.md":
        assert names["waveform"].ndim == 1 and names["averages"].keys() == {1, 2, 3}
        assert names["notes"].shape[1] == 3 and 0 <= names["score"].score <= 1


@pytest.mark.parametrize("room", [metrics, swapbench])
def test_public_functions_are_no_modules(room):
    assert all(callable(getattr(room, name)) for name in room.__all__)


def test_measuring_imports_nothing_heavy_before_its_use():
    heavy = {"music21", "librosa", "mir_eval", "sklearn", "transformers", "matplotlib", "onnxruntime"}
    line = f"import sys; from msdae import metrics, swapbench; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
