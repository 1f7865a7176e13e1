"""The real command lines of training: launched, killed with -9, resumed, and on two processes."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

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
    steps = ("--set", "steps=[40,4,4]", "--set", "save_every=5")
    for stage in (1, 2):
        subprocess.run(command(tmp_path / "whole", tiny, stage, *steps), check=True, capture_output=True)
    direct = command(tmp_path / "killed", tiny, 1, *steps, launcher=(sys.executable,))
    process = subprocess.Popen(direct, stdout=subprocess.DEVNULL)
    state = tmp_path / "killed/stage1/state.safetensors"
    while not state.exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed/stage1/model.safetensors").exists()
    for stage in (1, 2):
        subprocess.run(command(tmp_path / "killed", tiny, stage, *steps), check=True, capture_output=True)
    for stage in (1, 2):
        assert log(tmp_path / "whole", stage) == log(tmp_path / "killed", stage)
        models = [(tmp_path / name / f"stage{stage}/model.safetensors") for name in ("whole", "killed")]
        assert len(log(tmp_path / "whole", stage)) == (40 if stage == 1 else 4)
    assert _weights(models[0]) == _weights(models[1])


def test_two_processes_equal_one(tiny, tmp_path):
    # the contrastive loss takes its negatives from one process; Adam's steps are as long as the rate
    steps = ("--set", "steps=[4,4,4]", "--set", "contrast=0", "--set", "learning_rate=2e-4")
    subprocess.run(command(tmp_path / "one", tiny, 1, *steps), check=True, capture_output=True)
    two = (BIN / "accelerate", "launch", "--multi_gpu", "--num_processes", "2")
    subprocess.run(command(tmp_path / "two", tiny, 1, *steps, launcher=two), check=True, capture_output=True)
    for one, other in zip(log(tmp_path / "one", 1), log(tmp_path / "two", 1), strict=True):
        assert one == (other[0], pytest.approx(other[1], rel=1e-5))
    for name, weight in _weights(tmp_path / "one/stage1/model.safetensors").items():
        assert weight == pytest.approx(_weights(tmp_path / "two/stage1/model.safetensors")[name], abs=1e-5), (
            name
        )


def test_a_misspelt_setting_is_named(tmp_path):
    line = [sys.executable, ROOT / "experiments/train_stage.py", "--stage", "1", "--set", "lerning_rate=1"]
    done = subprocess.run([str(part) for part in line], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and "did you mean 'learning_rate'" in done.stderr
    assert "Traceback" not in done.stderr and not list(tmp_path.iterdir())


def _weights(path):
    from msdae.checkpoint import load

    return {name: tensor.flatten().tolist() for name, tensor in load(path, "model")[0].items()}
