"""experiments/learn_sound.py and swaps with what it writes, on generated sound with a tiny model."""

import functools

import numpy as np
import pytest
import soundfile

from msdae import audio, checkpoint
from msdae.data.excerpts import ExcerptConfig
from msdae.errors import UserError
from msdae.locks import only_process
from msdae.training import sound

FAST = ["--steps", "2", "--device", "cpu"]


@pytest.fixture(autouse=True)
def few_excerpts(monkeypatch):
    few = functools.partial(sound.LearnConfig, excerpts=ExcerptConfig(excerpts=3), batch_size=2)
    monkeypatch.setattr(sound, "LearnConfig", few)


@pytest.fixture
def learnt(run, sounds, checkpoint, tmp_path):
    """A function of arguments: learns from them, or from the timbre source, to a.sound."""

    def learn(*arguments, out="a.sound"):
        run(
            "learn_sound",
            *(arguments or sounds[:1]),
            "--out",
            tmp_path / out,
            "--checkpoint",
            checkpoint,
            *FAST,
        )
        return tmp_path / out

    return learn


def leftovers(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_learn_and_swap(tmp_path, sounds, checkpoint, run, learnt, capsys):
    first, second = learnt(), learnt(*sounds, out="b.sound")
    assert "wrote" in capsys.readouterr().out and not leftovers(tmp_path)
    rendered = {}
    variants = {
        "one": ["--sound", first],
        "two": ["--sound", first, second, "--between", "0.3"],
        "half": ["--sound", first, "--strength", "0.5"],
        "learn": ["--timbre", sounds[0], "--learn", "1"],
    }
    for name, options in variants.items():
        out = tmp_path / f"{name}.wav"
        run("swap", *options, "--melody", sounds[1], "--checkpoint", checkpoint, "--out", out, *FAST)
        rendered[name] = audio.read(out)
        assert rendered[name].isfinite().all()
    assert not any(
        (rendered["one"] - rendered[name]).abs().max() < 1e-4 for name in variants if name != "one"
    )
    assert not leftovers(tmp_path)


def test_what_cannot_be_heard_is_not_learnt(tmp_path, learnt, capsys):
    noise = np.random.default_rng(0).standard_normal(4 * 8192) / 5
    learnt(write(tmp_path / "late.wav", np.concatenate([np.zeros(24 * 8192), noise])))
    assert "learnt 0.7 s of sound" in capsys.readouterr().err


def test_killed_learning_leaves_its_state(tmp_path, sounds, learnt, monkeypatch, capsys):
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as stopped:
        patch.setattr("msdae.training.loop.Loop.run", lambda loop: False)
        learnt()
    assert stopped.value.code == 130 and leftovers(tmp_path) == [".a.sound.learning"]
    assert "the same line continues" in capsys.readouterr().err and not (tmp_path / "a.sound").exists()
    assert learnt().exists() and not leftovers(tmp_path)


def test_a_second_process_leaves_the_first_alone(tmp_path, learnt, capsys):
    state = tmp_path / ".a.sound.learning"
    with only_process(state), pytest.raises(SystemExit):
        (state / "state.safetensors").write_bytes(b"")
        learnt()
    assert "in use by process" in capsys.readouterr().err and (state / "state.safetensors").exists()


def test_an_error_on_the_way_leaves_the_state_that_was_saved(tmp_path, learnt, monkeypatch):
    def run(loop):
        loop._save("state")
        raise UserError("disk: no space left on device; make room")

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("msdae.training.loop.Loop.run", run)
        learnt()
    assert leftovers(tmp_path) == [".a.sound.learning"]
    assert learnt().exists() and not leftovers(tmp_path)


def write(path, waveform, rate=44100):
    soundfile.write(path, np.asarray(waveform, np.float32), rate)
    return path


def test_bad_recordings(tmp_path, learnt, capsys):
    generator = np.random.default_rng(0)
    noise = generator.standard_normal(30_000)
    drums = noise * np.exp(-np.arange(30_000) % 5000 / 400)
    recordings = {
        "short": noise[:8820],
        "clipped": np.clip(5 * noise, -1, 1),
        "stereo": np.stack([noise, drums], axis=1) / 5,
        "faint": noise * 1e-3,
    }
    for name, waveform in recordings.items():
        path = learnt(write(tmp_path / f"{name}.wav", waveform), out=f"{name}.sound")
        tensors, _ = checkpoint.load(path, "sound")
        assert all(tensor.isfinite().all() for tensor in tensors.values())
    assert learnt(write(tmp_path / "narrow.wav", drums / 5, 8000), out="narrow.sound").exists()


@pytest.mark.parametrize("out", ["a.sound", "missing/a.sound", "a.wav"])
def test_refusals_are_one_line(tmp_path, sounds, learnt, capsys, out):
    silence = write(tmp_path / "silence.wav", np.zeros(9000))
    source = silence if out == "a.sound" else sounds[0]
    before = sounds[0].read_bytes()
    with pytest.raises(SystemExit) as stopped:
        learnt(source, out=out)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert stopped.value.code == 2 and len(lines) == 1
    assert sounds[0].read_bytes() == before and not leftovers(tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        ["--sound", "a.sound", "--timbre", "a.wav"],
        ["--sound", "a.sound", "b.sound", "c.sound"],
        ["--learn", "--level2", "a.wav"],
        ["--sound", "missing.sound"],
    ],
)
def test_contradictions(tmp_path, sounds, checkpoint, run, options, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        run("swap", *options, "--melody", sounds[1], "--checkpoint", checkpoint, *FAST)
    assert stopped.value.code == 2 and capsys.readouterr().err.count("error:") == 1


def test_a_recording_is_not_replaced_by_a_sound(learnt, tmp_path, sounds):
    """Regression: any file that --out named was."""
    before = sounds[1].read_bytes()
    with pytest.raises(SystemExit) as ended:
        learnt(out=sounds[1])
    assert ended.value.code == 2 and sounds[1].read_bytes() == before


def test_a_learnt_sound_is_no_recording(learnt, run, sounds, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run("swap", "--timbre", learnt(), "--melody", sounds[1], "--out", tmp_path / "y.wav")
    assert ended.value.code == 2 and "a.sound: a learnt sound, no recording" in capsys.readouterr().err
