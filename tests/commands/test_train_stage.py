"""The real command lines of training: launched, killed with -9, resumed, and on two processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from msdae import codecs
from msdae.checkpoint import load
from msdae.commands import train_stage
from msdae.data import ClipCache
from msdae.data.parts import cores
from msdae.errors import UserError
from msdae.models.config import CodecConfig, ModelConfig
from msdae.models.msdae import MSDAE
from msdae.models.registry import MODELS
from msdae.training import stages
from msdae.training.autoencoder import TrainConfig
from msdae.training.stages import measure_bands

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
TINY = [
    *("--set", "model.widths=[16,16,24]", "--set", "model.hidden=16"),
    *("--set", "batch_size=4", "--set", "log_every=1", "--set", "validate_every=1000"),
    *("--set", "validation_batches=1", "--set", "trackers=[]"),
    *("--set", "pretrain=2", "--set", "pretrain_batch=4"),
]


def command(run, data, stage, *extra, launcher=(BIN / "accelerate", "launch", "--cpu")):
    script = ROOT / "experiments/train_stage.py"
    line = [*launcher, script, "--stage", stage, "--run", run, "--data", data, *TINY, *extra]
    return [str(part) for part in line]


def log(run, stage):
    lines = [json.loads(line) for line in (run / f"stage{stage}/log.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"]) for line in lines if "loss" in line]


def test_killed_with_9_and_started_again_it_repeats_the_uninterrupted_run(tiny, tmp_path):
    steps = ("--set", "steps=[25,4,4]", "--set", "save_every=5")
    whole, killed = (
        command(tmp_path / name, tiny, 1, *steps, launcher=(sys.executable,)) for name in ("whole", "killed")
    )
    # as many as the launcher's process has: sums differ with them
    environment = os.environ | {"OMP_NUM_THREADS": str(cores())}
    subprocess.run(whole, check=True, capture_output=True, env=environment)
    process = subprocess.Popen(killed, stdout=subprocess.DEVNULL, env=environment)
    state = tmp_path / "killed/stage1/state.safetensors"
    while not state.exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed/stage1/model.safetensors").exists()
    subprocess.run(command(tmp_path / "killed", tiny, 1, *steps), check=True, capture_output=True)
    assert log(tmp_path / "whole", 1) == log(tmp_path / "killed", 1) and len(log(tmp_path / "whole", 1)) == 25
    one, other = (
        load(tmp_path / name / "stage1/model.safetensors", "model")[0] for name in ("whole", "killed")
    )
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_two_processes_equal_one(tiny, tmp_path):
    """Defect 2: at this rate, on a model whose output is not zero, other clips, noise or views would show."""
    steps = ("--set", "steps=[20,4,4]", "--set", "learning_rate=1e-3", "--set", "warmup=1")
    # the contrastive loss takes its negatives from one process
    views = ("--set", "views.scramble=0.5", "--set", "views.recolour=0.5", "--set", "contrast=0")
    start = ("--from", awake(tiny, tmp_path / "start.safetensors"))
    two = (BIN / "accelerate", "launch", "--multi_gpu", "--num_processes", "2")
    for name, launcher in (("one", (sys.executable,)), ("two", two)):
        line = command(tmp_path / name, tiny, 1, *steps, *views, *start, launcher=launcher)
        subprocess.run(line, check=True, capture_output=True)
    for one, other in zip(log(tmp_path / "one", 1), log(tmp_path / "two", 1), strict=True):
        assert one == (other[0], pytest.approx(other[1], rel=1e-3))
    before, *after = (
        torch.cat([tensor.flatten() for tensor in load(path, "model")[0].values()])
        for path in (start[1], *(tmp_path / name / "stage1/model.safetensors" for name in ("one", "two")))
    )
    assert (after[0] - before).norm() > 1
    assert (after[0] - after[1]).norm() < 0.03 * (after[0] - before).norm()


def awake(data, path):
    """A model of one level that has no zeros in it."""
    torch.manual_seed(0)
    codec = CodecConfig(fingerprint=codecs.load(codecs.DEFAULT).fingerprint)
    bands = measure_bands(ClipCache(data / "train"))
    model = MSDAE(ModelConfig(widths=(16, 16, 24), hidden=16, codec=codec, bands=bands), 1)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    model.save(path)
    return path


def test_a_misspelt_setting_is_named(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        run("train_stage", "--stage", "1", "--set", "lerning_rate=1")
    assert ended.value.code == 2 and "did you mean 'learning_rate'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_model_of_a_users_own_trains_by_the_defaults(monkeypatch, capsys):
    seen = []
    monkeypatch.setitem(MODELS._entries, "apart", type("Apart", (MSDAE,), {"kind": "apart"}))
    monkeypatch.setattr(stages, "train_stage", lambda *arguments: seen.append(arguments) or True)
    train_stage.main(["--stage", "1", "--model", "apart", "--run", "runs/x"])
    assert seen[0][2].steps == (1000, 400, 9000)
    assert capsys.readouterr().out == "next: msdae train-stage --model apart --stage 2 --run runs/x\n"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("--config experiments/configs/hdae.yaml", "hdae"),
        ("--config experiments/configs/hdae.yaml --model hdae", "hdae"),
        ("--config experiments/configs/thesis-small.yaml --model hdae", "hdae"),
        ("--config experiments/configs/thesis-small.yaml", "msdae"),
    ],
)
def test_the_model_is_the_one_that_its_configuration_says(monkeypatch, line, kind):
    """Regression: HDAE's configuration without --model trained an MSDAE of its sizes."""
    seen = []
    monkeypatch.setattr(stages, "train_stage", lambda *arguments: seen.append(arguments) or True)
    monkeypatch.chdir(ROOT)
    train_stage.main(["--stage", "1", "--run", "runs/x", *line.split()])
    assert seen[0][0] == kind


def test_another_model_than_the_configuration_says_is_refused(tmp_path):
    line = ["--stage", "1", "--model", "msdae", "--config", str(ROOT / "experiments/configs/hdae.yaml")]
    with pytest.raises(UserError, match="kind: these settings are of the model hdae, not of msdae"):
        train_stage.main([*line, "--run", str(tmp_path / "run")])
    with pytest.raises(UserError, match="of the model hdae, not of msdae"):
        stages.train_stage("msdae", 1, TrainConfig(kind="hdae"), tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("line", "following"),
    [
        (
            ["--stage", "1", "--set", "seed=1", "--data", "my data"],
            "msdae train-stage --stage 2 --run runs/x --set seed=1 --data 'my data'",
        ),
        (["--stage", "3"], "msdae swap --checkpoint runs/x/stage3 --timbre a.wav --melody b.wav"),
        (
            ["--stage", "1", "--model", "hdae"],
            "msdae swap --checkpoint runs/x/stage1 --timbre a.wav --melody b.wav",
        ),
        (
            ["--stage", "1", "--config", str(ROOT / "experiments/configs/hdae.yaml")],
            "msdae swap --checkpoint runs/x/stage1 --timbre a.wav --melody b.wav",
        ),
    ],
)
def test_the_next_line_to_type_is_printed(monkeypatch, capsys, line, following):
    monkeypatch.setattr(stages, "train_stage", lambda *arguments: True)
    train_stage.main([*line, "--run", "runs/x"])
    assert capsys.readouterr().out == f"next: {following}\n"
