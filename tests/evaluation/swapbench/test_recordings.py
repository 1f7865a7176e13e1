"""Pairs of recordings without a truth, from end to end, on tones."""

import copy

import numpy as np
import pytest
import torch

from msdae import audio
from msdae.audio import neighbours, temperament
from msdae.errors import UserError
from msdae.evaluation.swapbench import recordings
from msdae.evaluation.swapbench.recordings import evaluate, pairs
from msdae.evaluation.swapbench.systems import UNTAUGHT
from msdae.inference.pipeline import Pipeline, Sampling
from msdae.models.student import Student, StudentConfig
from msdae.symbolic.notes import Score, ScoreNote
from msdae.symbolic.scores import write_score

RATE = 44100


def tones(partials, *pitches):
    time = torch.arange(RATE // 2) / RATE
    parts = [
        sum(torch.sin(2 * torch.pi * k * temperament.hertz(key) * time) for k in range(1, partials + 1))
        / partials
        / 2
        for key in pitches
    ]
    return torch.cat([part * torch.linspace(1, 0.3, len(part)) for part in parts])


@pytest.fixture
def folder(tmp_path):
    """Two pairs, and the outputs of a system that answers with the timbre source."""
    for number, name in enumerate("ab"):
        timbre, melody = tones(12, 60 + number, 67), tones(2, 62 + number, 65, 69)
        for role, sound in (("timbre", timbre), ("melody", melody), ("theirs", timbre)):
            (tmp_path / role).mkdir(exist_ok=True)
            audio.write(tmp_path / role / f"{name}.wav", sound)
    return tmp_path


@pytest.fixture
def taught(monkeypatch):
    """There are no baselines that learn nothing."""
    monkeypatch.setattr(recordings, "UNTAUGHT", {})


def test_rows_and_both_measures(folder, codec):
    table = evaluate(pairs(folder), {}, codec, folder / "out", {"theirs": folder / "theirs"})
    melody, timbre = (table.column(f"{name} ↑") for name in (recordings.MELODY, recordings.TIMBRE))
    assert list(melody) == [
        "copy melody source",
        "copy timbre source",
        "codec",
        "nearest neighbours",
        "equaliser",
        "theirs",
    ]
    assert melody["copy melody source"].value == pytest.approx(1)
    assert timbre["copy timbre source"].value == pytest.approx(1)
    assert melody["theirs"] == melody["copy timbre source"] and timbre["theirs"].value == pytest.approx(
        1, abs=1e-3
    )
    assert melody["codec"].value > 0.5 and timbre["codec"].value > 0.9  # each of its own source
    assert timbre["nearest neighbours"].value > timbre["copy melody source"].value
    assert timbre["nearest neighbours"].low is not None
    assert timbre["equaliser"].value > timbre["copy melody source"].value and melody["equaliser"].value > 0.7
    assert (folder / "out" / "audio" / "a" / "nearest neighbours.wav").is_file()


def test_the_pitch_of_single_lines(folder, taught, codec, monkeypatch):
    pytest.importorskip("swift_f0")
    table = evaluate(pairs(folder), {}, codec, folder / "out", {"theirs": folder / "theirs"})
    pitch = table.column(f"{recordings.PITCH} ↑")
    assert pitch["copy melody source"].value == 1 and pitch["codec"].value > 0.9
    assert pitch["theirs"] == pitch["copy timbre source"] and pitch["theirs"].value < 0.2
    monkeypatch.setattr(recordings.f0, "shared_pitch", lambda *sounds: None)
    table = evaluate(pairs(folder), {}, codec, folder / "other")
    assert table.header == ("output", f"{recordings.MELODY} ↑", f"{recordings.TIMBRE} ↑")


def test_a_score_is_a_melody_source(folder, taught, codec):
    (folder / "melody" / "b.wav").unlink()
    tune = Score(([ScoreNote(0.0, 1.0, 62), ScoreNote(1.0, 1.0, 65), ScoreNote(2.0, 1.0, 69)],), 120.0)
    write_score(folder / "melody" / "b.mid", tune)
    group = pairs(folder)
    assert [pair.melody.name for pair in group] == ["a.wav", "b.mid"]
    table = evaluate(group, {}, codec, folder / "out")
    melody = table.column(f"{recordings.MELODY} ↑")
    assert melody["copy melody source"].value == pytest.approx(1) and melody["codec"].value > 0.5
    (folder / "melody" / "b.mid").rename(folder / "timbre" / "b.mid")  # a score has no timbre
    with pytest.raises(UserError, match=r"timbre/b\.wav: no recording of its name in melody/"):
        pairs(folder)


def test_it_continues_and_notices_what_has_changed(folder, codec, monkeypatch):
    table = evaluate(pairs(folder), {}, codec, folder / "out")
    monkeypatch.setitem(UNTAUGHT, neighbours.ROW, lambda timbre, melody: 1 / 0)
    assert evaluate(pairs(folder), {}, codec, folder / "out") == table
    with monkeypatch.context() as later, pytest.raises(ZeroDivisionError):
        later.setattr(
            recordings.source_hash, "fingerprint", lambda names, with_imports=False: "of another version"
        )
        evaluate(pairs(folder), {}, codec, folder / "out")
    audio.write(folder / "melody" / "a.wav", tones(2, 50))
    with pytest.raises(ZeroDivisionError):
        evaluate(pairs(folder), {}, codec, folder / "out")


def test_a_melody_source_without_notes_is_named(folder, codec):
    audio.write(folder / "melody" / "b.wav", torch.zeros(RATE))
    with pytest.raises(UserError, match=r"melody/b\.wav: no notes are heard in it"):
        evaluate(pairs(folder), {}, codec, folder / "out")


def test_damaged_scores_are_said(folder, codec):
    (folder / "out").mkdir()
    (folder / "out" / "scores.json").write_text('{"key": 7}')
    with pytest.raises(UserError, match="scores.json.*delete it"):
        evaluate(pairs(folder), {}, codec, folder / "out")


def test_what_is_missing_is_named(folder, codec):
    (folder / "theirs" / "b.wav").unlink()
    with pytest.raises(UserError, match="theirs: has no b.wav"):
        evaluate(pairs(folder), {}, codec, folder / "out", {"theirs": folder / "theirs"})
    (folder / "timbre" / "b.wav").unlink()
    with pytest.raises(UserError, match="melody/b.wav: no recording of its name in timbre/"):
        pairs(folder)
    with pytest.raises(UserError, match="nowhere/timbre: no such folder"):
        pairs(folder / "nowhere")


def test_scores_of_another_student_are_others(folder, taught, codec, tiny_model, monkeypatch):
    pipeline = Pipeline(tiny_model(stage=1), codec, Sampling(steps=1))
    evaluate(pairs(folder)[:1], {"tiny": pipeline}, codec, folder / "out")
    monkeypatch.setattr(pipeline, "reconstruct", lambda path: 1 / 0)
    evaluate(pairs(folder)[:1], {"tiny": pipeline}, codec, folder / "out")
    pipeline.student = Student.fresh(pipeline.model, StudentConfig(rank=1), torch.Generator())
    with pytest.raises(ZeroDivisionError):
        evaluate(pairs(folder)[:1], {"tiny": pipeline}, codec, folder / "out")


def test_scores_of_another_decoder_are_others(codec, tiny_model):
    codec = copy.deepcopy(codec)
    facts = {"tiny": Pipeline(tiny_model(stage=1), codec)}, codec, torch.device("cpu"), {}, None
    before = recordings._rows([], *facts)
    with torch.no_grad():
        next(codec.frame.parameters()).mul_(2)  # the latents stay the same
    after = recordings._rows([], *facts)
    changed = [name for name, row in before.items() if row.key != after[name].key]
    assert changed == ["codec", "tiny, reconstruction"]


def test_models_play_their_rows(folder, taught, codec, tiny_model, monkeypatch):
    """What learns is told the timbre source and the seconds."""
    pipeline = Pipeline(tiny_model(stage=2), codec, Sampling(steps=1))
    lessons = []
    monkeypatch.setattr(pipeline, "learn", lambda *arguments: lessons.append(arguments) or arguments[0])
    table = evaluate(pairs(folder)[:1], {"tiny": pipeline}, codec, folder / "out", learn=1.0)
    names = ["tiny, reconstruction", "tiny {1}", "tiny {2}", "tiny {1} learnt 1 s"]
    assert [row[0] for row in table.rows[-4:]] == names and "1 s each" in table.note
    assert lessons == [(folder / "timbre" / "a.wav", 1.0)] and table.rows[-1][1:] == table.rows[-3][1:]
    assert all(np.isfinite(cell.value) for row in table.rows for cell in row[1:])
