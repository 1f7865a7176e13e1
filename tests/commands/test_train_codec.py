import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from msdae import audio, codecs
from msdae.errors import UserError
from msdae.training.codec import CodecTrainConfig, CodecTrainer, train

SCRIPT = Path(__file__).parents[2] / "experiments" / "train_codec.py"
FEW = CodecTrainConfig(
    steps=(4, 4, 4), batch_size=2, frames=6, warmup=1, log_every=2, save_every=2, audio_every=2
)


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """Four recordings of the same four notes in other orders, one of them at another rate."""
    folder = tmp_path_factory.mktemp("music")
    for index in range(4):
        rate = 48000 if index == 3 else 44100
        time = torch.arange(8 * rate) / rate
        pitch = 220 + 31 * ((time.floor() + index) % 4)
        note = sum(torch.sin(2 * torch.pi * pitch * k * (time % 1)) / k for k in range(1, 6))
        audio.write(folder / f"{index}.wav", 0.2 * note * torch.exp(-2 * (time % 1)), rate)
    return folder


def run(folder, *arguments):
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


def paths(music):
    return {"train": sorted(music.glob("*.wav"))}


def test_a_run_that_was_stopped_continues_bit_for_bit(music, tmp_path, monkeypatch):
    whole = train(FEW, paths(music), tmp_path / "whole", torch.device("cpu"))
    step = CodecTrainer._train_step

    def stops(self, waveform):
        if self.step == 1:
            signal.raise_signal(signal.SIGTERM)
        return step(self, waveform)

    monkeypatch.setattr(CodecTrainer, "_train_step", stops)
    assert train(FEW, paths(music), tmp_path / "parts", torch.device("cpu")) is None
    monkeypatch.undo()
    parts = train(FEW, paths(music), tmp_path / "parts", torch.device("cpu"))
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, parts.state_dict()[name]), name


def test_a_decoder_is_trained_on_without_touching_the_latents(music, tmp_path):
    known = codecs.load("spectral-neural")
    before, decoder = known.fingerprint, known.frame[0].weight.clone()
    trained = train(FEW, paths(music), tmp_path, torch.device("cpu"), known)
    assert trained.fingerprint == before
    assert not torch.equal(trained.frame[0].weight, decoder)


def test_a_state_of_other_latents_is_refused(music, tmp_path):
    train(FEW, paths(music), tmp_path, torch.device("cpu"))
    with pytest.raises(UserError, match=r"decoder-state.*other latents.*--run"):
        train(FEW, paths(music), tmp_path, torch.device("cpu"), codecs.load("spectral-neural"))


def test_the_loss_falls(music, tmp_path):
    settings = CodecTrainConfig(
        steps=(40, 1), batch_size=4, frames=6, warmup=1, log_every=20, mixed=0, hissed=0
    )
    train(settings, paths(music), tmp_path, torch.device("cpu"))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if line["stage"] == "latents" and "loss" in line]
    assert losses[-1] < 0.8 * losses[0]


def test_the_command_measures_and_refuses_a_codec_that_does_not_reconstruct(music, tmp_path):
    done = run(
        tmp_path,
        "--source",
        music,
        "--out",
        "mine.safetensors",
        "--set",
        "steps=[2,2,2]",
        "--set",
        "batch_size=2",
    )
    assert done.returncode == 2 and "does not reconstruct" in done.stderr
    assert not (tmp_path / "mine.safetensors").exists()


def test_the_command_fits_the_simple_codec(music, tmp_path):
    done = run(
        tmp_path,
        "--codec",
        "spectral",
        "--source",
        music,
        "--out",
        "mine.safetensors",
        "--set",
        "channels=32",
    )
    assert done.returncode == 0, done.stderr
    assert "round trip" in done.stdout
    assert codecs.load(str(tmp_path / "mine.safetensors")).channels == 32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "nowhere", "--out", "c.safetensors"], "nowhere"),
        (["--out", "nowhere/c.safetensors"], "nowhere"),
        (["--source", ".", "--out", "c.safetensors", "--set", "stepss=3"], "did you mean 'steps'"),
        (["--out", "c.safetensors", "--set", "stepss=3"], "did you mean 'steps'"),
        (["--out", "c.safetensors", "--set", "steps=[1,1,1,1]"], "give one number for each of latents"),
    ],
)
def test_bad_input_ends_at_once_with_exit_code_2(music, tmp_path, arguments, message):
    done = run(music, *arguments)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
