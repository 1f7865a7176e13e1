import pytest
import torch

from msdae import audio, checkpoint
from msdae.audio import SAMPLE_RATE
from msdae.commands import train_transcriber
from msdae.data.sets.squares import Squares
from msdae.errors import UserError
from msdae.models import transcriber

TINY = ("--clips", "4", "--set", "steps=2", "--set", "batch_size=2", "--set", "validation_batches=1")


def test_a_transcriber_is_trained_measured_and_written(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train_transcriber, "MEASURED", 2)
    line = ("--data", "data", "--run", "run", "--out", "mine.safetensors", "--device", "cpu", *TINY)
    run("train_transcriber", *line)
    said = capsys.readouterr().out
    assert "held-out notes, clips alone: F1 0." in said and "two at once: F1 0." in said
    assert transcriber.load("mine.safetensors")
    header = checkpoint.read_header("mine.safetensors", transcriber.KIND)
    assert header["provenance"]["clips"] == 4 and header["provenance"]["samples"] == []
    with pytest.raises(SystemExit) as end:  # it goes on with what it was begun with
        run("train_transcriber", *line, "--clips", "8")
    assert end.value.code == 2 and "data/source: rendered with other clips" in capsys.readouterr().err


def test_instruments_of_the_real_split_play_nowhere(tmp_path, monkeypatch):
    for number, name in enumerate(("trombone", "zither")):
        (tmp_path / "library" / name).mkdir(parents=True)
        for pitch, note in ((48, "C3"), (60, "C4"), (72, "C5")):
            time = torch.arange(SAMPLE_RATE) / SAMPLE_RATE
            tone = torch.sin(2 * torch.pi * 440 * 2 ** ((pitch - 69) / 12) * time) * (0.3 + 0.1 * number)
            audio.write(tmp_path / "library" / name / f"{note}.flac", tone, SAMPLE_RATE)
    rendered = {}
    monkeypatch.setattr(
        Squares, "render", lambda config, folder, progress: rendered.update(config=config, folder=folder)
    )
    library, out = str(tmp_path / "library"), tmp_path / "run"
    with pytest.raises(UserError, match="no clips with notes"):
        train_transcriber.main(["--samples", library, "--data", str(tmp_path / "data"), "--run", str(out)])
    config = rendered["config"]
    assert rendered["folder"] == tmp_path / "data/source" and config.clips == 12000 and config.sampled == 0.45
    assert config.left_out == ("library/trombone",)
    assert [one.name for one in config.instruments()[0]] == ["library/zither"]
    with pytest.raises(UserError, match="trombone: all of its instruments .* give others"):
        train_transcriber.main(["--samples", f"{library}/trombone", "--run", str(out)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--samples", "nowhere"], "nowhere: no such library"),
        (["--set", "stepss=3"], "did you mean 'steps'"),
        (["--set", "two=0.9", "--set", "three=0.3"], "two and three: together 1.2, expected 1 at most"),
        (["--set", "transposed=12"], "transposed: is 12"),
        (["--out", "nowhere/a.safetensors"], "does not exist"),
        (["--clips", "0"], "--clips"),
        (["--config", "none.yaml"], "none.yaml"),
    ],
)
def test_bad_input_is_refused(tmp_path, run, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        run("train_transcriber", *arguments)
    assert end.value.code == 2 and message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
