"""experiments/evaluate_priors.py with small priors of a tiny model, on tones."""

import json

import numpy as np
import pytest
import soundfile

from msdae.evaluation import tables
from msdae.inference.generation import Generator
from msdae.inference.mels import MelSpace
from msdae.inference.pipeline import Pipeline, Sampling
from msdae.models.priors import PRIORS
from msdae.models.priors.base import new
from msdae.models.priors.grid import Grid

SIZES = {
    "gaussian": {"window": 32, "components": 4},
    "dit": {"window": 32, "width": 16, "layers": 1, "heads": 2, "text": 384},
    "image": {"window": 32, "channels": (8, 8, 8)},  # over log-mels, not codes
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, checkpoint):
    folder = tmp_path_factory.mktemp("trained")
    pipeline = Pipeline.from_pretrained(checkpoint, "cpu")
    for kind, sizes in SIZES.items():
        facts = Grid.of(pipeline.model), pipeline.fingerprint, 0
        if kind == "image":
            facts = MelSpace("mel-64").grid, "mel-64", 0
        new(kind, PRIORS[kind].Config(**sizes), *facts).save(folder / f"{kind}.safetensors")
    return [folder / f"{kind}.safetensors" for kind in SIZES]


def test_every_table_by_one_command(tmp_path, monkeypatch, run, trained, checkpoint):
    monkeypatch.setenv("MSDAE_HOME", str(tmp_path / "home"))
    renderings, made = set(), Generator.many
    monkeypatch.setattr(
        Generator,
        "many",
        lambda self, *facts: renderings.add(self.pipeline.sampling) or made(self, *facts),
    )
    folder = tmp_path / "music"
    folder.mkdir()
    for number in range(12):
        tone = np.sin(2 * np.pi * 110 * (1 + number / 7) * np.arange(44100 * 13) / 44100)
        soundfile.write(folder / f"{number}.wav", 0.3 * tone, 44100)
    sizes = (
        "--samples",
        "2",
        "--seconds",
        "3",
        "--texts",
        "2",
        "--guidance",
        "1,2",
        "--pieces",
        "2",
        "--long",
        "6",
    )
    run(
        *("evaluate_priors", "--trained", *trained, "--data", folder, "--checkpoint", checkpoint, *sizes),
        *("--prior-steps", "1", "--steps", "1,2", "--device", "cpu", "--out", tmp_path / "t.json"),
        *("--render-steps", "1", "--antithetic", "0"),
    )
    assert renderings == {Sampling(steps=1, antithetic=0.0)}
    main, asked, middle, steps, mels = tables.read(tmp_path / "t.json")
    first = ["other recordings", "codec", "codes of recordings"]
    assert [row[0] for row in main.rows] == [*first, "gaussian", "dit", "image"]
    assert [row[0] for row in asked.rows] == [
        f"{name}, guidance {weight}" for name in ("dit", "image") for weight in (1, 2)
    ]
    assert [row[0] for row in middle.rows] == [
        "other recordings",
        "gaussian, windows",
        "dit, windows",
        "dit, at once",
        "image, windows",
    ]
    rows = {row[0]: row[2:] for row in mels.rows}
    assert list(rows) == ["image", "another recording, for image", "mean, for image"]
    alike, noise = (rows[name] for name in ("another recording, for image", "image"))
    assert alike[0].value > noise[0].value and alike[1].value < noise[1].value and noise[2].value > 1
    assert [row[0] for row in steps.rows] == ["dit"] and steps.header == ("prior", "1 steps", "2 steps")
    assert json.loads((tmp_path / "t.json").read_text())


def test_long_pieces_beside_recordings_that_are_shorter(tmp_path, monkeypatch, run, trained, checkpoint):
    """Regression: the rest behind the last clip counted, and no recording was as long as that."""
    monkeypatch.setenv("MSDAE_HOME", str(tmp_path / "home"))
    (tmp_path / "music").mkdir()
    for number in range(6):
        tone = np.sin(2 * np.pi * 110 * (1 + number / 7) * np.arange(44100 * 8) / 44100)
        soundfile.write(tmp_path / f"music/{number}.wav", 0.3 * tone, 44100)
    run(
        *(
            "evaluate_priors",
            "--trained",
            trained[0],
            "--data",
            tmp_path / "music",
            "--checkpoint",
            checkpoint,
        ),
        *("--samples", "0", "--texts", "0", "--pieces", "2", "--long", "7", "--device", "cpu"),
        *("--render-steps", "1", "--antithetic", "0", "--out", tmp_path / "t.json"),
    )
    (middle,) = tables.read(tmp_path / "t.json")
    assert [row[0] for row in middle.rows] == ["other recordings", "gaussian, windows"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--samples", "1"], "samples: is 1"),
        (["--texts", "1"], "texts: is 1, expected 2 to"),
        (["--pieces", "1"], "pieces: is 1, expected 2 to"),
        (["--render-steps", "0"], "steps: is 0, expected 1 to"),
        (["--trained", "missing.safetensors"], "missing.safetensors: no such file"),
        (["--checkpoint", "embedded"], "is of another model or codec"),
        (["--out", "t.pdf"], "t.pdf"),
    ],
)
def test_bad_input(tmp_path, monkeypatch, run, trained, checkpoint, capsys, arguments, message):
    monkeypatch.setenv("MSDAE_HOME", str(tmp_path / "home"))
    defaults = {"--trained": trained[0], "--checkpoint": checkpoint, arguments[0]: arguments[1]}
    with pytest.raises(SystemExit) as end:
        run("evaluate_priors", *(part for pair in defaults.items() for part in pair))
    assert end.value.code == 2 and message in capsys.readouterr().err


def test_steps_are_of_priors_of_codes(tmp_path, monkeypatch, run, trained, checkpoint, capsys):
    monkeypatch.setenv("MSDAE_HOME", str(tmp_path / "home"))
    with pytest.raises(SystemExit) as end:
        run("evaluate_priors", "--trained", trained[2], "--checkpoint", checkpoint, "--steps", "1,2")
    assert end.value.code == 2 and "--steps: of priors alone" in capsys.readouterr().err
