"""Scores, export and timings by their command lines, on a tiny model and a few real clips."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from msdae import codecs
from msdae.data import ClipCache
from msdae.evaluation import reconstruction
from msdae.models import MSDAE, Autoencoder, CodecConfig, ModelConfig

ROOT = Path(__file__).parents[1]


def command(*line):
    done = subprocess.run([sys.executable, *map(str, line)], capture_output=True, text=True, cwd=ROOT)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    codec = CodecConfig(fingerprint=codecs.load("spectral").fingerprint)
    return MSDAE(ModelConfig(widths=(16,) * 6, encoder_widths=(4, 8), codec=codec)).eval()


@pytest.fixture(scope="module")
def scores(model, tiny):
    found = reconstruction({"tiny": model}, ClipCache(tiny / "test"), 3, torch.device("cpu"))
    return {(score.row, score.metric): score for score in found}


def test_the_original_is_perfect_and_the_codec_between(scores):
    assert scores["original", "F1 of heard notes"].mean == 1
    assert scores["original", "log-mel dB"].mean == 0
    assert 0 < scores["codec", "log-mel dB"].mean < scores["tiny", "log-mel dB"].mean
    assert scores["original", "F1 of played notes"].mean > scores["tiny", "F1 of played notes"].mean


def test_intervals_hold_the_mean_and_clips_are_counted(scores):
    assert all(s.low <= s.mean <= s.high and s.clips == 3 for s in scores.values())


def test_evaluate_command(model, tiny, tmp_path):
    model.save(tmp_path / "a.safetensors")
    options = ["--data", tiny, "--clips", 2, "--checkpoint", tmp_path / "a.safetensors"]
    code, out, _ = command("experiments/evaluate.py", *options, "--json", tmp_path / "a.json")
    assert code == 0 and "F1 of played notes" in out and "codec" in out
    assert len(json.loads((tmp_path / "a.json").read_text())) == 9  # three rows, three metrics


def test_a_model_of_another_codec_is_refused(model, tiny, tmp_path):
    other = dataclasses.replace(model.config, codec=dataclasses.replace(model.config.codec, fingerprint="0"))
    MSDAE(other).save(tmp_path / "a.safetensors")
    options = ["--data", tiny, "--checkpoint", tmp_path / "a.safetensors"]
    code, _, error = command("experiments/evaluate.py", *options)
    assert code == 2 and "a.safetensors" in error and "Traceback" not in error


def test_export_halves_the_file(model, tmp_path):
    model.save(tmp_path / "a.safetensors")
    code, out, _ = command(
        "experiments/export.py", tmp_path / "a.safetensors", "--out", tmp_path / "b.safetensors"
    )
    assert code == 0 and "MSDAE" in out
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in "ab"]
    assert sizes[1] < 0.6 * sizes[0]
    halved = Autoencoder.load(tmp_path / "b.safetensors").state_dict()
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(halved[name], weight.half().float())
