import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from msdae import audio, codecs
from msdae.commands import train_codec
from msdae.data.scanning import scan
from msdae.data.sets import DATASETS
from msdae.data.sources import SourceFile
from msdae.data.tally import Tally
from msdae.errors import UserError
from msdae.training import codec

SCRIPT = Path(__file__).parents[2] / "experiments" / "train_codec.py"
FIT = ("--codec", "spectral", "--source", "nowhere", "--out", "c.safetensors")


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


def test_the_command_measures_and_refuses_a_codec_that_does_not_reconstruct(
    run, music, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(codec, "_SURVEYED", 4)
    line = ["--source", music, "--out", "mine.safetensors", "--run", "run"]
    for setting in ("steps=[2,2,2]", "batch_size=2", "frames=8", "crop=16"):
        line += ["--set", setting]
    with pytest.raises(SystemExit) as ended:
        run("train_codec", *line)
    said = capsys.readouterr().err
    assert ended.value.code == 2 and "does not reconstruct" in said
    # regression: it was to be trained with coarse_codec=true, which is no setting of this command
    assert "for more steps (--set steps)" in said and "it is run/adversarial/codec.safetensors" in said
    assert codecs.load("run/adversarial/codec.safetensors") and "coarse_codec" not in said
    assert not (tmp_path / "mine.safetensors").exists()


def test_the_command_fits_the_simple_codec(run, music, tmp_path, capsys):
    path = tmp_path / "mine.safetensors"
    run("train_codec", "--codec", "spectral", "--source", music, "--out", path, "--set", "channels=32")
    assert "round trip" in capsys.readouterr().out
    assert codecs.load(str(path)).channels == 32


def test_sources_are_put_together_and_rendered_ones_known(music, tmp_path, monkeypatch):
    rendered = tmp_path / "data/source"
    DATASETS["squares"].render(DATASETS["squares"].config(clips=4), rendered, workers=1)
    seen = {}
    monkeypatch.setattr(
        codec, "train", lambda settings, paths, *rest: seen.update(settings=settings, **paths)
    )
    lines = ["--source", music, "--source", tmp_path / "data", "--out", tmp_path / "a.safetensors"]
    lines += ["--config", SCRIPT.parent / "configs/codec-wide.yaml", "--set", "codec.channels=192"]
    with pytest.raises(SystemExit):
        train_codec.main([*map(str, lines), "--run", str(tmp_path / "run")])
    folders = {path.relative_to(rendered).parts[0] for path in seen["train"] if path.is_relative_to(rendered)}
    assert folders == {"train"} and any(path.is_relative_to(music) for path in seen["train"])
    assert any(path.is_relative_to(rendered / "validation") for path in seen["valid"])
    assert seen["settings"].codec.channels == 192 and seen["settings"].codec.bands == 256


def test_recordings_of_several_parts_are_one_each(music, tmp_path, monkeypatch):
    """Regression: a set whose recordings are in parts was refused as if they were for validation, too."""
    kind, seen = DATASETS["maqam"], {}
    kind.render(kind.config(clips=9, section_clips=(1, 1)), tmp_path / "data/source", workers=1)
    monkeypatch.setattr(codec, "train", lambda settings, paths, *rest: seen.update(paths))
    line = ["--out", str(tmp_path / "a.safetensors"), "--run", str(tmp_path / "run"), "--source"]
    with pytest.raises(SystemExit):
        train_codec.main([*line, str(tmp_path / "data")])
    assert len(seen["train"]) == len(set(seen["train"])) > 0 and len(seen["valid"]) > 0
    (tmp_path / "one").mkdir()
    shutil.copy(music / "0.wav", tmp_path / "one")
    with pytest.raises(UserError, match="0.wav: is for training and for validation.*; give three or more"):
        train_codec.main([*line, str(tmp_path / "one")])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "nowhere", "--out", "c.safetensors"], "nowhere"),
        (["--out", "nowhere/c.safetensors"], "nowhere"),
        (["--source", ".", "--out", "c.safetensors", "--set", "stepss=3"], "did you mean 'steps'"),
        (["--out", "c.safetensors", "--set", "stepss=3"], "did you mean 'steps'"),
        (["--out", "c.safetensors", "--set", "steps=[1,1,1,1]"], "expected 1 to 3 entries"),
        (["--out", "c.safetensors", "--latents", "c.safetensors"], "is also an input"),
        (["--out", "c.safetensors", "--latents", "a", "--codec", "spectral"], "leave out --codec spectral"),
        ([*FIT, "--run", "run"], "--run: of spectral-neural alone"),
        ([*FIT, "--cache", "run"], "--cache: of spectral-neural alone"),
        ([*FIT, "--device", "cpu"], "--device: of spectral-neural alone"),
    ],
)
def test_bad_input_ends_at_once_with_exit_code_2(run, music, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(music)
    with pytest.raises(SystemExit) as ended:
        run("train_codec", *arguments)
    assert ended.value.code == 2 and message in capsys.readouterr().err


@pytest.mark.parametrize(("recordings", "places"), [(1, range(2, 64, 4)), (32, [2] * 16)])
def test_the_round_trip_of_long_recordings_is_that_of_some_clips(tmp_path, monkeypatch, recordings, places):
    """Regression: all clips of 16 recordings at once took gigabytes, after the training."""
    clip, heard = train_codec._clip(22050), []
    length = 64 if recordings == 1 else 4

    def note(codec, clips):
        heard.extend(clips[:, 0].tolist())
        raise KeyboardInterrupt

    for number in range(recordings):
        steps = torch.arange(length).repeat_interleave(clip.samples) / 128
        audio.write(tmp_path / f"{number:02d}.wav", steps, 22050)
    held_out = [SourceFile(path.name, path, length) for path in sorted(tmp_path.glob("*.wav"))]
    monkeypatch.setattr("msdae.codecs.check.check_round_trip", note)
    with pytest.raises(KeyboardInterrupt):
        train_codec._measure(SimpleNamespace(sample_rate=22050), {"train": [], "valid": held_out}, "", "")
    assert heard == [place / 128 for place in places]


def test_a_stopped_training_says_so(music, tmp_path, monkeypatch):
    monkeypatch.setattr(codec, "train", lambda *arguments: None)
    with pytest.raises(SystemExit) as end:
        train_codec.main(["--source", str(music), "--out", str(tmp_path / "a.safetensors")])
    assert end.value.code == 130 and not list(tmp_path.iterdir())


def test_clips_are_read_at_the_rate_of_the_codec(tmp_path):
    audio.write(tmp_path / "a.wav", 0.5 * torch.sin(2 * torch.pi * 1000 * torch.arange(8 * 44100) / 44100))
    files = scan(tmp_path, Tally(), train_codec._clip(22050))["train"]
    (clips,) = train_codec.Clips(files, 22050)
    assert clips.shape[1] == 65536 and clips.shape[0] == sum(file.clips for file in files)
    peak = int(torch.fft.rfft(clips[0]).abs().argmax())
    assert peak * 22050 / 65536 == pytest.approx(1000, abs=1)


def test_a_rendering_that_was_stopped_goes_on(tmp_path, monkeypatch):
    """Regression: a folder that was there was taken for complete."""
    kind, seen = DATASETS["squares"], []
    kind.render(kind.config(clips=4), tmp_path / "source", workers=1)
    monkeypatch.setattr(kind, "render", lambda config, folder, **options: seen.append(folder))
    monkeypatch.setattr(codec, "train", lambda *arguments: None)
    line = ["--data", str(tmp_path), "--out", str(tmp_path / "a.safetensors"), "--run", str(tmp_path / "run")]
    with pytest.raises(SystemExit):
        train_codec.main(line)
    assert seen == [tmp_path / "source"]
