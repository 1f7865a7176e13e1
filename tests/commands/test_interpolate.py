import pytest
import torch

from msdae import audio, codecs
from msdae.models.config import CodecConfig, ModelConfig
from msdae.models.msdae import MSDAE

FAST = ["--steps", "2", "--device", "cpu"]


def test_interpolate(tmp_path, sounds, checkpoint, run, capsys):
    a, b = sounds
    out = tmp_path / "series"
    arguments = ["--checkpoint", checkpoint, "--levels", "1", "--out", out, *FAST]
    run("interpolate", "--timbre", a, "--melody", b, "--count", "3", *arguments)
    names = ["1-strength-0.00.wav", "2-strength-0.50.wav", "3-strength-1.00.wav"]
    assert sorted(path.name for path in out.iterdir()) == names
    series = [audio.read(out / name) for name in names]
    assert all(len(waveform) == 160_002 for waveform in series)
    assert not torch.allclose(series[0], series[2], atol=1e-3)
    assert "another series" not in capsys.readouterr().err
    run("interpolate", "--timbre", a, "--melody", b, "--count", "2", *arguments)
    assert "also holds 2 of another series, such as 2-strength-0.50.wav" in capsys.readouterr().err


def test_by_default_all_levels_of_the_model_move(tmp_path, sounds, run):
    """Regression: a model of two levels was asked for a third."""
    codec = CodecConfig(fingerprint=codecs.load(codecs.DEFAULT).fingerprint)
    MSDAE(ModelConfig(widths=(16,) * 5, encoder_widths=(8, 8), codec=codec), stage=2).save(
        tmp_path / "two.safetensors"
    )
    line = ["--timbre", sounds[0], "--melody", sounds[1], "--count", "2", "--out", tmp_path / "series"]
    run("interpolate", *line, "--checkpoint", tmp_path / "two.safetensors", *FAST)
    assert len(list((tmp_path / "series").iterdir())) == 2


@pytest.mark.parametrize("command", ["interpolate", "swap"])
def test_a_silent_melody_source_is_noted_once(
    tmp_path, sounds, checkpoint, run, monkeypatch, capsys, command
):
    """Regression: a mix whose sources were opened before said it again."""
    monkeypatch.chdir(tmp_path)
    audio.write("silence.wav", torch.zeros(44100))
    line = ["--timbre", sounds[0], "--melody", "silence.wav", "--checkpoint", checkpoint, "--out"]
    run(command, *line, tmp_path / ("y.wav" if command == "swap" else "series"), *FAST)
    assert capsys.readouterr().err.count("so the rendering is silent") == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--plot", "bad.jpg"], "bad.jpg"),
        (["--plot", "new/series/bad.jpg"], "bad.jpg"),
        (["--device", "abacus"], "abacus"),
        (["--levels", "7"], "level 7"),
        (["--levels", "2", "--learn", "always"], "--learn always: level 1 comes from no recording"),
        (["--timbre", "silence.wav"], "silence.wav"),
        (["--transpose", "12"], "--transpose: moves levels 2 and 3 of the melody source"),
        (["--levels", "1", "--melody", "silence.wav", "--transpose", "12"], "silence.wav: its notes cannot"),
        (["--guidance", "1,2"], "guidance: give one weight or 3"),
    ],
)
def test_what_cannot_be_done_leaves_no_folder(
    tmp_path, sounds, checkpoint, run, monkeypatch, capsys, wrong, said
):
    monkeypatch.chdir(tmp_path)
    audio.write("silence.wav", torch.zeros(44100))
    arguments = [
        "--timbre",
        sounds[0],
        "--melody",
        sounds[1],
        "--checkpoint",
        checkpoint,
        "--out",
        "new/series",
    ]
    with pytest.raises(SystemExit) as end:
        run("interpolate", *arguments, *wrong)
    assert end.value.code == 2 and said in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
