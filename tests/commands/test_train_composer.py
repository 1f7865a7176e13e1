"""experiments/train_composer.py and evaluate_composers.py at toy size, on tunes that are made here."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from msdae.checkpoint import read_header
from msdae.models.composers.base import load
from msdae.symbolic.notes import Score, ScoreNote
from msdae.symbolic.scores import write_score

TINY = ["width=16", "layers=1", "heads=2", "window=16"]
SCHEDULE = ["steps=4", "batch_size=2", "validation_batches=1", "validate_every=2", "trackers=[]"]


@pytest.fixture(scope="module")
def midi(tmp_path_factory):
    """A folder of tunes in four voices, and a file that is none."""
    folder = tmp_path_factory.mktemp("midi")
    for number in range(5):
        rng = np.random.default_rng(number)
        roots = rng.integers(0, 12, 24)
        parts = [[ScoreNote(b, 1, low + int(r)) for b, r in enumerate(roots)] for low in (72, 65, 60, 48)]
        write_score(folder / f"{number}.mid", Score(tuple(parts)))
    (folder / "broken.mid").write_bytes(b"MThd")
    return folder


def changes(*values):
    return [word for value in values for word in ("--set", value)]


def test_a_composer_is_trained_on_a_folder_and_measured(tmp_path, midi, run, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = changes(*SCHEDULE, *(f"model.{size}" for size in TINY))
    for kind in ("transformer", "four_voices"):
        arguments = ["--model", kind, "--data", midi, "--run", f"run-{kind}", "--device", "cpu"]
        run("train_composer", *arguments, *sizes, "--out", f"{kind}.safetensors")
    said = capsys.readouterr()
    assert "broken.mid: not a readable MIDI file" in said.err and "3 train, 1 valid, 1 test" in said.err
    assert said.out.splitlines()[0].endswith(
        "compose.py --model transformer --trained transformer.safetensors"
    )
    assert load("four_voices.safetensors").provenance["step"] in (2, 4)
    run(
        *("evaluate_composers", "--trained", "run-transformer", "voices=four_voices.safetensors"),
        *("--data", midi, "--samples", "3", "--bars", "2", "--out", "t.json", "--figures", "figures"),
    )
    first, lines, voices = json.loads((tmp_path / "t.json").read_text())
    names = [row[0] for row in first["rows"]]
    assert names[:5] == [
        "held-out tunes",
        "unigram, tunes",
        "bigram, tunes",
        "Markov-5, tunes",
        "run-transformer",
    ]
    assert names[-1] == "voices" and len(lines["rows"]) == len(voices["rows"]) == 5
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert drawn == {
        *("composer-run-transformer.png", "composer-voices.png", "composer-embeddings.png"),
        "composer-curves.png",
    }


def test_two_processes_end_at_the_same_step(tmp_path, midi):
    """By a rate at which nothing is learnt, the second validation is not better than the first."""
    launcher = [Path(sys.executable).parent / "accelerate", "launch", "--multi_gpu", "--num_processes", "2"]
    script = Path(__file__).parents[2] / "experiments/train_composer.py"
    early = changes(*SCHEDULE[1:], "steps=50", "patience=1", "learning_rate=1e-20", "save_every=50")
    line = [*launcher, script, "--data", midi, "--run", "run", "--device", "cpu", *early]
    line += changes(*(f"model.{size}" for size in TINY))
    words = [str(word) for word in line]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        try:
            assert process.wait(timeout=100) == 0
        finally:
            process.terminate()  # the launcher ends what it has launched
    assert read_header(tmp_path / "run/state.safetensors", "training state")["step"] == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "nowhere: no such folder"),
        (["--model", "vae", "--data", "."], "0 of 0 files can be used"),
        (["--set", "model.width=30"], "give a multiple"),
        (["--set", "model.wdith=16"], "did you mean 'width'"),
        (["--out", "nowhere/a.safetensors"], "does not exist"),
        (["--model", "piano"], "invalid choice"),
    ],
)
def test_bad_input_is_refused(tmp_path, run, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        run("train_composer", *arguments)
    assert end.value.code == 2 and message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
