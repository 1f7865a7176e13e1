"""The command line of prepare_data.py, as a user types it."""

import sys
from pathlib import Path

import pytest
import torch

from msdae import audio
from msdae.commands import prepare_data
from msdae.data import ClipCache
from msdae.data.sources import ClipLength
from msdae.errors import UserError

ROOT = Path(__file__).parents[2]


def test_folder_is_prepared_and_strict_stops(run, tmp_path, capsys):
    music = tmp_path / "music"
    music.mkdir()
    audio.write(music / "a.wav", 0.3 * torch.sin(torch.arange(2 * ClipLength().samples) * 0.03))
    (music / "liar.wav").write_text("no music in here")
    line = ("--dataset", "folder", "--source", music, "--workers", 1)
    run("prepare_data", *line, "--out", tmp_path / "out")
    printed, said = capsys.readouterr()
    assert printed.startswith(
        "next: python experiments/train_stage.py --stage 3 --from embedded "
        f"--data {tmp_path / 'out'} --run runs/NAME\nthen: python experiments/swap.py --timbre a.wav"
    )
    assert "train 1 clip (3 s), valid 1 clip (3 s)" in said
    assert "2 files found, 1 accepted" in said
    assert "1 rejected: not a readable recording" in said
    assert len(ClipCache(tmp_path / "out" / "train")) == len(ClipCache(tmp_path / "out" / "valid")) == 1
    strict = ("--dataset", "folder", "--source", str(music), "--out", str(tmp_path / "strict"), "--strict")
    with pytest.raises(UserError, match="liar.wav: not a readable recording"):
        prepare_data.main(strict)


def test_the_next_line_names_the_codec_of_the_data(tmp_path, capsys, caplog):
    caplog.set_level("INFO", "msdae")
    (tmp_path / "music").mkdir()
    audio.write(tmp_path / "music/a.wav", 0.3 * torch.sin(torch.arange(2 * ClipLength().samples) * 0.03))
    line = ["--dataset", "folder", "--source", str(tmp_path / "music"), "--workers", "1", "--device", "cpu"]
    prepare_data.main([*line, "--codec", "spectral", "--out", str(tmp_path / "out")])
    said = capsys.readouterr().out
    assert "--stage 1 --data" in said and "--set model.codec.name=spectral" in said and "then:" not in said
    assert "few for training: prepare them without --codec and --mel-of, and go on with" in caplog.text
    released = str(ROOT / "experiments/configs/released.yaml")  # its codec is another one
    prepare_data.main([*line, "--mel-of", released, "--out", str(tmp_path / "other")])
    said = capsys.readouterr().out
    assert f"--config {released} " in said and "--set model.codec.name=spectral-neural" in said


def test_samples_are_for_squares_only(tmp_path):
    for dataset in ("synth", "folder"):
        with pytest.raises(UserError, match=f"--dataset {dataset}: plays no samples"):
            prepare_data.main(["--dataset", dataset, "--samples", "x"])
    with pytest.raises(UserError, match="gone: no such library"):
        prepare_data.main(["--dataset", "squares", "--samples", "gone", "--out", str(tmp_path / "out")])


def test_synthesizers_are_for_squares_and_need_their_extra(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="--dataset synth: plays no samples or synthesizers"):
        prepare_data.main(["--dataset", "synth", "--synthesizer", "vita"])
    monkeypatch.setitem(sys.modules, "vita", None)
    with pytest.raises(UserError, match=r"needs vita: pip install 'msdae\[synthesizers\]'"):
        prepare_data.main(["--dataset", "squares", "--synthesizer", "vita", "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out" / "source").exists()


def test_a_source_is_needed(tmp_path):
    with pytest.raises(UserError, match="name the folder it is in with --source"):
        prepare_data.main(["--dataset", "slakh", "--out", str(tmp_path)])


def test_a_recipe_is_a_file_and_settings(run, tmp_path, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("single_notes: 1\nsound: {formulas: 1, processed: 0}\n")
    rendering = ("--config", recipe, "--set", "velocities=[90,90]", "--clips", 4, "--workers", 1)
    run("prepare_data", "--dataset", "squares", "--out", tmp_path / "out", *rendering)
    said = capsys.readouterr().out
    assert f"train_stage.py --stage 1 --data {tmp_path / 'out'} --run runs/NAME" in said
    clips = ClipCache(tmp_path / "out" / "train").clips
    assert {clip["kind"] for clip in clips} == {"note"}
    assert {clip["instrument"] for clip in clips} == {"procedural"}
    assert {note[3] for clip in clips for note in clip["notes"]} == {90}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("squares", "--set", "single_note=1"), "did you mean 'single_notes'"),
        (("squares", "--set", "sound.formulas=2"), "formulas: is 2.0, expected 0 to 1"),
        (
            ("folder", "--source", ".", "--clips", "4"),
            "--dataset folder: is not rendered; leave out --config",
        ),
        (("squares", "--soundfont", "nowhere.sf2"), "nowhere.sf2: no such SoundFont"),
        (("squares", "--clips", "10000000"), "is 10000000, expected 1 to 1 000 000"),
        (("squares", "--seed", "-1"), "--seed: is -1"),
        (("folder", "--source", ".", "--shards", "1000000"), "--shards: is 1000000, expected 1 to 10 000"),
    ],
)
def test_settings_that_make_no_sense_end_with_exit_code_2(run, capsys, tmp_path, arguments, message):
    with pytest.raises(SystemExit) as ended:
        run("prepare_data", "--dataset", *arguments, "--out", tmp_path / "out")
    assert ended.value.code == 2 and message in capsys.readouterr().err
    assert not list(tmp_path.rglob("train"))
