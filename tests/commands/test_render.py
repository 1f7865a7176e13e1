"""The real command lines on generated sound, with the embedded codec and a tiny model."""

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile
import torch

from msdae import audio, codecs
from msdae.audio.loudness import PEAK
from msdae.audio.windows import Waveform
from msdae.inference.pipeline import Mix, Pipeline, Sampling
from msdae.models.config import CodecConfig, ModelConfig
from msdae.models.msdae import MSDAE

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
RATE = 44100
FAST = ["--steps", "2", "--device", "cpu"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    codec = CodecConfig(fingerprint=codecs.load(codecs.DEFAULT).fingerprint)
    config = ModelConfig(
        widths=(16, 16, 16, 16, 16), code_channels=(8, 8, 8), encoder_widths=(8, 8), codec=codec
    )
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    model = MSDAE(config)
    for parameter in model.parameters():  # an untrained model ends in zeros and would ignore its codes
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.save(path)
    return path


@pytest.fixture
def sounds(tmp_path):
    """A stereo timbre source at 48 kHz and a longer melody source at 22.05 kHz."""
    generator = np.random.default_rng(0)
    soundfile.write(tmp_path / "a.wav", 0.2 * generator.standard_normal((48000, 2)), 48000)
    melody = 0.3 * np.sin(2 * np.pi * 330 * np.arange(80_001) / 22050)
    soundfile.write(tmp_path / "b.flac", melody, 22050)
    return tmp_path / "a.wav", tmp_path / "b.flac"


def run(monkeypatch, name, *arguments):
    monkeypatch.setattr(sys, "argv", [str(EXPERIMENTS / name), *map(str, arguments)])
    runpy.run_path(str(EXPERIMENTS / name), run_name="__main__")


def fails(monkeypatch, capsys, name, *arguments):
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, name, *arguments)
    assert end.value.code == 2
    return capsys.readouterr().err


def test_swap_as_a_user_types_it(tmp_path, sounds, checkpoint):
    command = [sys.executable, EXPERIMENTS / "swap.py", "--timbre", sounds[0], "--melody", sounds[1], *FAST]
    command += ["--checkpoint", checkpoint, "--plot", "swap.png"]
    environment = {"PYTHONPATH": str(EXPERIMENTS.parent), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "wrote swap.wav (3.63 s)" in done.stdout
    assert "a.wav: 2 channels are processed as their mean" in done.stderr
    info = soundfile.info(tmp_path / "swap.wav")
    assert (info.frames, info.samplerate, info.subtype) == (160_002, RATE, "PCM_24")
    assert (tmp_path / "swap.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "b.flac", "swap.png", "swap.wav"]
    loudness = [
        pyloudnorm.Meter(RATE).integrated_loudness(audio.read(path).double().numpy())
        for path in (tmp_path / "swap.wav", sounds[1])
    ]
    rendered = audio.read(tmp_path / "swap.wav")
    assert rendered.abs().max() < PEAK
    limited = "quieter than the melody source" in done.stderr
    assert limited or loudness[0] == pytest.approx(loudness[1], abs=0.1)


def test_three_sources_equal_the_library(tmp_path, sounds, checkpoint, monkeypatch):
    a, b = sounds
    arguments = [
        "--level1",
        a,
        "--level2",
        a,
        "--level3",
        b,
        "--checkpoint",
        checkpoint,
        "--seed",
        "3",
        *FAST,
    ]
    run(monkeypatch, "swap.py", *arguments, "--out", tmp_path / "y.wav")
    pipeline = Pipeline.from_pretrained(checkpoint, "cpu", Sampling(steps=2, seed=3))
    timbre, melody = Waveform(audio.read(a)), Waveform(audio.read(b))
    expected = pipeline.render(Mix(melody, {1: timbre, 2: timbre}))
    torch.testing.assert_close(audio.read(tmp_path / "y.wav"), expected, atol=1e-4, rtol=0)


def test_options_change_the_sound(tmp_path, sounds, checkpoint, monkeypatch):
    a, b = sounds
    variants = {
        "plain": [],
        "again": [],
        "levels": ["--levels", "1,2"],
        "strength": ["--strength", "0.5"],
        "guidance": ["--guidance", "2,1,1"],
        "sampler": ["--sampler", "heun"],
        "seed": ["--seed", "1"],
    }
    rendered = {}
    for name, options in variants.items():
        out = tmp_path / f"{name}.wav"
        base = ["--timbre", a, "--melody", b, "--checkpoint", checkpoint, "--out", out]
        run(monkeypatch, "swap.py", *base, *FAST, *options)
        rendered[name] = audio.read(out)
    plain = rendered.pop("plain")
    assert torch.equal(rendered.pop("again"), plain)
    for name, waveform in rendered.items():
        assert not torch.allclose(waveform, plain, atol=1e-4), name


def test_reconstruct(tmp_path, sounds, checkpoint, monkeypatch):
    out = tmp_path / "y.ogg"
    arguments = ["--checkpoint", checkpoint, "--out", out, "--plot", tmp_path / "y.svg", *FAST]
    run(monkeypatch, "reconstruct.py", sounds[1], *arguments)
    assert soundfile.info(out).frames == 160_002
    assert (tmp_path / "y.svg").exists()


def test_interpolate(tmp_path, sounds, checkpoint, monkeypatch):
    a, b = sounds
    out = tmp_path / "series"
    arguments = ["--checkpoint", checkpoint, "--count", "3", "--levels", "1", "--out", out, *FAST]
    run(monkeypatch, "interpolate.py", "--timbre", a, "--melody", b, *arguments)
    names = ["1-strength-0.00.wav", "2-strength-0.50.wav", "3-strength-1.00.wav"]
    assert sorted(path.name for path in out.iterdir()) == names
    series = [audio.read(out / name) for name in names]
    assert all(len(waveform) == 160_002 for waveform in series)
    assert not torch.allclose(series[0], series[2], atol=1e-3)


@pytest.mark.parametrize("arguments, reason", [
    ([], "no source of timbre"),
    (["--timbre", "A"], "no melody source"),
    (["--timbre", "A", "--level1", "A", "--melody", "B"], "exclude each other"),
    (["--timbre", "missing.wav", "--melody", "B"], "missing.wav: no such file"),
    (["--timbre", "A", "--melody", "B", "--out", "B"], "is also an input"),
    (["--timbre", "A", "--melody", "B", "--out", "absent/y.wav"], "does not exist"),
    (["--timbre", "A", "--melody", "B", "--out", "y.mp3"], "choose one of these"),
    (["--timbre", "A", "--melody", "B", "--plot", "y.txt"], "choose one of these"),
    (["--timbre", "A", "--melody", "B", "--strength", "2"], "strength 2.0"),
    (["--timbre", "A", "--melody", "B", "--steps", "0"], "steps 0"),
    (["--timbre", "A", "--melody", "B", "--levels", "4"], "level 4"),
    (["--timbre", "A", "--melody", "B", "--levels", "one"], "invalid"),
    (["--timbre", "A", "--melody", "B", "--guidance", "1,2"], "guidance"),
    (["--timbre", "A", "--melody", "B", "--device", "abacus"], "--device abacus"),
])  # fmt: skip
def test_bad_input_is_refused(tmp_path, sounds, checkpoint, monkeypatch, capsys, arguments, reason):
    monkeypatch.chdir(tmp_path)
    names = {"A": sounds[0], "B": sounds[1]}
    arguments = [names.get(argument, argument) for argument in arguments]
    said = fails(monkeypatch, capsys, "swap.py", *arguments, "--checkpoint", checkpoint)
    assert reason in said and "Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "b.flac"]


def test_demo(tmp_path, checkpoint, monkeypatch, capfd):
    monkeypatch.setenv("PYTHONPATH", str(EXPERIMENTS.parent))
    run(monkeypatch, "demo.py", "--out", tmp_path / "demo", "--checkpoint", checkpoint, "--device", "cpu")
    written = sorted(path.name for path in (tmp_path / "demo").iterdir())
    assert len(written) == 16 and {"1-timbre-piano.wav", "2-melody-koto.wav", "4-swap.png"} < set(written)
    said = capfd.readouterr().out.splitlines()
    rows = [line.split() for line in said if " -> " in line and "melody ->" not in line]
    assert [row[0] for row in rows] == ["flute", "koto", "ocarina", "soprano-sax"]
    assert all(0 <= float(score) <= 1 for row in rows for score in row[3:5])
    assert float(rows[0][4]) > 0.7  # what the piano itself plays is heard
    melody, swap = (soundfile.info(tmp_path / "demo" / f"3-{n}.wav") for n in ("melody-ocarina", "swap"))
    assert melody.frames == swap.frames == round(8.5 * RATE)


@pytest.mark.parametrize("name", ["swap.py", "reconstruct.py", "interpolate.py", "demo.py"])
def test_help_ends_with_an_example(name, monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, name, "--help")
    assert end.value.code == 0
    assert capsys.readouterr().out.strip().splitlines()[-1].strip().startswith(f"python experiments/{name}")
