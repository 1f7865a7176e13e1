"""experiments/swap.py on generated sound, with the codec that ships and a tiny model."""

import subprocess
import sys
from pathlib import Path

import pyloudnorm
import pytest
import soundfile
import torch

from msdae import audio
from msdae.audio.loudness import OUTPUT_PEAK
from msdae.audio.windows import Waveform
from msdae.commands import swap
from msdae.inference.pipeline import Mix, Pipeline, Sampling

SCRIPT = Path(__file__).parents[2] / "experiments" / "swap.py"
RATE = 44100
FAST = ["--steps", "2", "--device", "cpu"]


def test_swap_as_a_user_types_it(tmp_path, sounds, checkpoint):
    command = [sys.executable, SCRIPT, "--timbre", sounds[0], "--melody", sounds[1], *FAST]
    command += ["--checkpoint", checkpoint, "--plot", "swap.png"]
    environment = {"PYTHONPATH": str(SCRIPT.parents[1]), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
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
    assert rendered.abs().max() < OUTPUT_PEAK
    limited = "quieter than the melody source" in done.stderr
    assert limited or loudness[0] == pytest.approx(loudness[1], abs=0.1)


def test_a_file_of_several_names_is_one_source(tmp_path, sounds):
    """Regression: a link to a recording counted as another one, which was read and encoded again."""
    a, b = sounds
    (tmp_path / "link.wav").symlink_to(a)
    named = [str(word) for word in ("--level1", a, "--level2", tmp_path / "link.wav", "--melody", b)]
    assert swap.chosen_sources(swap.parser().parse_args(named)) == ({1: a, 2: a}, b)
    named[-1] = str(tmp_path / "link.wav")
    assert swap.chosen_sources(swap.parser().parse_args(named)) == ({}, tmp_path / "link.wav")


def test_three_sources_equal_the_library(tmp_path, sounds, checkpoint, run):
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
    run("swap", *arguments, "--out", tmp_path / "y.wav")
    pipeline = Pipeline.from_pretrained(checkpoint, "cpu", Sampling(steps=2, seed=3))
    timbre, melody = Waveform(audio.read(a)), Waveform(audio.read(b))
    expected = pipeline.render(Mix(melody, {1: timbre, 2: timbre}))
    torch.testing.assert_close(audio.read(tmp_path / "y.wav"), expected, atol=1e-4, rtol=0)


def test_options_change_the_sound(tmp_path, sounds, checkpoint, run):
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
        run("swap", *base, *FAST, "--learn", "never", *options)
        rendered[name] = audio.read(out)
    plain = rendered.pop("plain")
    assert torch.equal(rendered.pop("again"), plain)
    for name, waveform in rendered.items():
        assert not torch.allclose(waveform, plain, atol=1e-4), name


@pytest.mark.parametrize("arguments, reason", [
    ([], "no source of timbre"),
    (["--timbre", "A"], "no melody source"),
    (["--timbre", "A", "--level1", "A", "--melody", "B"], "exclude each other"),
    (["--timbre", "A", "--timbre", "A", "--melody", "B"], "--timbre is given twice"),
    (["--level1", "A", "--levels", "2", "--melody", "B"], "--levels: are of --timbre"),
    (["--sound", "a.sound", "--levels", "2,3", "--melody", "B"], "--levels: are of --timbre"),
    (["--sound", "a.sound", "--between", "0", "--melody", "B"], "--between: is between two sounds"),
    (["--timbre", "A", "--between", "0.5", "--melody", "B"], "--between: is between two sounds"),
    (["--timbre", "missing.wav", "--melody", "B"], "missing.wav: no such file"),
    (["--timbre", "A", "--melody", "B", "--out", "B"], "is also an input"),
    (["--timbre", "A", "--melody", "B", "--out", "absent/y.wav"], "does not exist"),
    (["--timbre", "A", "--melody", "B", "--out", "y.mp3"], "choose one of these"),
    (["--timbre", "A", "--melody", "B", "--plot", "y.txt"], "choose one of these"),
    (["--timbre", "A", "--melody", "B", "--strength", "2"], "--strength: is 2, expected 0 to 1"),
    (["--timbre", "A", "--melody", "B", "--steps", "0"], "--steps: is 0"),
    (["--timbre", "A", "--melody", "B", "--levels", "4"], "level 4"),
    (["--timbre", "A", "--melody", "B", "--levels", "one"], "invalid"),
    (["--timbre", "A", "--melody", "B", "--guidance", "1,2"], "guidance"),
    (["--timbre", "A", "--melody", "B", "--device", "abacus"], "--device abacus"),
    (["--timbre", "A", "--melody", "B", "--learn", "always"], "--learn: invalid"),
    (["--level2", "A", "--melody", "B", "--learn"], "--learn: level 1 has no source to learn"),
    (["--level2", "A", "--melody", "B", "--dynamics", "sound"], "--dynamics sound: level 1"),
    (["--level2", "A", "--melody", "B", "--transpose", "12"], "--transpose: moves levels 2 and 3"),
    (["--timbre", "A", "--melody", "B", "--transpose", "40"], "--transpose: is 40, expected -36 to 36"),
])  # fmt: skip
def test_bad_input_is_refused(tmp_path, sounds, checkpoint, run, monkeypatch, capsys, arguments, reason):
    monkeypatch.chdir(tmp_path)
    names = {"A": sounds[0], "B": sounds[1]}
    arguments = [names.get(argument, argument) for argument in arguments]
    with pytest.raises(SystemExit) as end:
        run("swap", *arguments, "--checkpoint", checkpoint)
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert reason in said and "Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "b.flac"]
