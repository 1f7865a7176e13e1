import json
import re

import numpy as np
import pretty_midi
import pytest
import soundfile
import torch

from msdae import audio
from msdae.commands import score as command
from msdae.errors import UserError
from msdae.evaluation.metrics import scoring
from msdae.evaluation.metrics.frechet import fad_infinity
from msdae.evaluation.metrics.kernel import kad
from msdae.inference.sources import read_sound
from msdae.symbolic.notes import Score, ScoreNote
from msdae.symbolic.scores import write_score


def tone(path, pitch, seconds=1.0):
    time = torch.arange(int(seconds * 44100)) / 44100
    phase = 2 * torch.pi * 440 * 2 ** ((pitch - 69) / 12) * time
    ends = (time / 0.005).clamp(0, 1) * ((seconds - time) / 0.05).clamp(0, 1)
    waveform = 0.3 * torch.exp(-2 * time) * ends * (torch.sin(phase) + torch.sin(2 * phase) / 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, waveform.numpy(), 44100)


def run(*arguments):
    command.main([str(argument) for argument in arguments])


def test_a_file_against_itself_is_perfect(tmp_path, monkeypatch, capsys):
    tone(tmp_path / "a.wav", 60)
    monkeypatch.chdir(tmp_path)
    run("a.wav", "--reference", "a.wav", "--json", "deep/scores.json")
    perfect = {"note F1": 1, "pitch accuracy": 1, "log-mel dB": 0, "mel SSIM": 1, "mel MSE": 0, "timbre": 1}
    shown = capsys.readouterr().out.splitlines()[1].split()
    assert shown == ["a.wav", *(f"{value:.3f}" for value in perfect.values())]
    written = json.loads((tmp_path / "deep" / "scores.json").read_text())
    assert written["sets"] == {}
    [row] = written["files"]
    assert row.pop("name") == "a.wav" and row == pytest.approx(perfect)


def test_the_longer_of_two_is_cut_at_its_end(tmp_path):
    for name, seconds in (("a.wav", 1.0), ("b.wav", 1.05)):
        samples = torch.linspace(0.1, 0.1 + 0.1 * seconds, int(seconds * 44100))
        soundfile.write(tmp_path / name, samples.numpy(), 44100)
    paths = tmp_path / "a.wav", tmp_path / "b.wav"
    for file, reference in (paths, paths[::-1]):
        cut = scoring.Pair("a", file, reference).waveforms
        for waveform, path in zip(cut, (reference, file), strict=True):
            assert torch.equal(waveform, read_sound(path)[:44100])


def test_sets_are_of_pairs():
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(60, 4))
    estimate = reference + 0.3 * rng.normal(size=(60, 4))
    for name, metric in (("FAD-infinity", fad_infinity), ("KAD", kad)):
        found = scoring.SET_METRICS[name](reference, estimate)
        assert found == metric(reference, estimate, paired=True) != metric(reference, estimate)


def test_two_references_of_one_name_are_refused(tmp_path):
    """Regression: one of them was taken without a word."""
    for path in ("estimate/a.wav", "reference/a.wav", "reference/a.flac"):
        tone(tmp_path / path, 60)
    with pytest.raises(UserError, match=r"reference/a\.wav: a\.flac has its name; rename one"):
        scoring.pair_up(tmp_path / "estimate", tmp_path / "reference")


def test_folders_are_paired_by_name_and_averaged(tmp_path, capsys):
    for name, pitch in (("a", 60), ("sub/b", 64)):
        tone(tmp_path / "reference" / f"{name}.wav", pitch)
    tone(tmp_path / "estimate" / "a.flac", 60)
    tone(tmp_path / "estimate" / "sub" / "b.wav", 70)
    run(tmp_path / "estimate", "--reference", tmp_path / "reference")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == ["name", "a", "sub/b", "mean"]
    assert [line[1:3] for line in lines[1:]] == [["1.000"] * 2, ["0.000"] * 2, ["0.500"] * 2]


def test_a_reference_without_a_file_is_named(tmp_path, capsys):
    for name in "abc":
        tone(tmp_path / "reference" / f"{name}.wav", 60)
    tone(tmp_path / "estimate" / "a.wav", 60)
    with pytest.raises(UserError, match=r"1 files were scored, 2 were not(.|\n)*b\.wav: no counterpart in"):
        run(tmp_path / "estimate", "--reference", tmp_path / "reference")
    assert capsys.readouterr().out.splitlines()[1].startswith("a ")


def test_a_reference_whose_file_is_not_scored_has_a_counterpart(tmp_path):
    tone(tmp_path / "reference" / "a.wav", 60)
    tone(tmp_path / "estimate" / "a.wav", 60)
    pairs, (error,) = scoring.pair_up(tmp_path / "estimate", tmp_path / "reference", midi=True)
    assert not pairs and "a.mid: no such file" in error


def test_sets_are_compared_with_the_embedding_asked_for(tmp_path, capsys):
    for i in range(4):
        tone(tmp_path / "reference" / f"{i}.wav", 60 + i)
        tone(tmp_path / "estimate" / f"{i}.wav", 60 + i)
    with pytest.warns(UserWarning, match="4 clips, fewer than"):
        run(tmp_path / "estimate", "--reference", tmp_path / "reference", "--json", tmp_path / "a.json")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[-2] == ["embedding", "FAD", "FAD-infinity", "KAD"]
    assert lines[-1] == ["embedded", "0.000", "0.000", "0.000"]
    assert set(json.loads((tmp_path / "a.json").read_text())["sets"]) == {"FAD", "FAD-infinity", "KAD"}
    pairs, _ = scoring.pair_up(tmp_path / "estimate", tmp_path / "reference")
    with pytest.raises(UserError, match="--embedding embedded"):
        scoring.score_sets(pairs, "clap")
    with pytest.raises(UserError, match="3 recordings are too few"):
        scoring.score_sets(pairs[:3])


def test_a_score_is_a_reference(tmp_path, capsys):
    tune = Score(([ScoreNote(0.0, 1.0, 60), ScoreNote(1.0, 1.0, 64)],), 120.0)
    for name in ("a", "b"):
        (tmp_path / "reference").mkdir(exist_ok=True)
        write_score(tmp_path / "reference" / f"{name}.mid", tune)
    (tmp_path / "swaps").mkdir()
    audio.write(tmp_path / "swaps" / "a.wav", read_sound(tmp_path / "reference" / "a.mid"))
    tone(tmp_path / "swaps" / "b.wav", 70)
    tone(tmp_path / "reference" / "b.wav", 70)  # a recording is preferred to the score beside it
    run(tmp_path / "swaps", "--reference", tmp_path / "reference")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in lines[1:]] == [["a", "1.000"], ["b", "1.000"], ["mean", "1.000"]]
    assert lines[1][3] == "0.000"  # dB between the sound and what the score sounds like
    [pair], _ = scoring.pair_up(tmp_path / "swaps" / "a.wav", tmp_path / "reference" / "a.mid", midi=True)
    notes, _ = pair.notes
    np.testing.assert_allclose(notes, [[0, 0.5, 60], [0.5, 1, 64]])
    (tmp_path / "reference" / "a.mid").write_bytes(b"MThd")
    with pytest.raises(UserError, match=r"a\.mid"):
        run(tmp_path / "swaps" / "a.wav", "--reference", tmp_path / "reference" / "a.mid")


def test_notes_of_the_reference_from_midi(tmp_path):
    tone(tmp_path / "a.wav", 60)
    midi = pretty_midi.PrettyMIDI()
    midi.instruments = [pretty_midi.Instrument(0), pretty_midi.Instrument(0, is_drum=True)]
    midi.instruments[1].notes = [pretty_midi.Note(90, 36, 0.2, 0.4)]  # no note of the melody
    midi.instruments[0].notes = [pretty_midi.Note(90, 60, 0.0, 0.9), pretty_midi.Note(90, 64, 0.5, 0.9)]
    midi.write(str(tmp_path / "a.mid"))
    [pair], _ = scoring.pair_up(tmp_path / "a.wav", tmp_path / "a.wav", midi=True)
    [row], _ = scoring.score([pair])
    assert row["note F1"] == pytest.approx(2 / 3)  # one of two notes is heard
    assert row["pitch accuracy"] is None and scoring.mean([row])["pitch accuracy"] is None
    (tmp_path / "a.mid").rename(tmp_path / "a.MID")
    [pair], _ = scoring.pair_up(tmp_path / "a.wav", tmp_path / "a.wav", midi=True)
    assert pair.midi == tmp_path / "a.MID"


def test_what_cannot_be_paired_is_refused(tmp_path):
    tone(tmp_path / "x" / "a.wav", 60)
    (tmp_path / "empty").mkdir()
    cases = [
        ((tmp_path / "x", tmp_path / "x" / "a.wav"), "two files or two folders"),
        ((tmp_path / "x", tmp_path / "empty"), "empty: has no recordings"),
        ((tmp_path / "empty", tmp_path / "x"), "has no recordings"),
        ((tmp_path / "x", tmp_path / "missing"), "missing: no such file or folder"),
        ((tmp_path / "x" / "a.wav", tmp_path / "x" / "a.wav", True), r"a\.mid: no such file"),
    ]
    for arguments, message in cases:
        with pytest.raises(UserError, match=message):
            scoring.pair_up(*arguments)


def test_another_passage_is_refused(tmp_path):
    tone(tmp_path / "a.wav", 60)
    tone(tmp_path / "b.wav", 60, seconds=1.5)
    with pytest.raises(UserError, match="differs by 0.50 s"):
        run(tmp_path / "a.wav", "--reference", tmp_path / "b.wav", "--json", tmp_path / "s.json")
    assert not (tmp_path / "s.json").exists()


def test_a_recording_is_not_replaced_by_its_scores(tmp_path):
    """Fault F6."""
    soundfile.write(tmp_path / "a.wav", 0.1 * torch.ones(8000).numpy(), 8000)
    before = (tmp_path / "a.wav").read_bytes()
    with pytest.raises(UserError, match="is also an input"):
        run(tmp_path / "a.wav", "--reference", tmp_path / "a.wav", "--json", tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == before


def test_the_rest_of_a_folder_is_scored_and_what_is_not_is_named(tmp_path, capsys):
    """Fault F10."""
    for name in ("a", "short", "broken", "loud", "alone", "midi"):
        tone(tmp_path / "estimate" / f"{name}.wav", 60, seconds=0.5)
        if name != "alone":
            tone(tmp_path / "reference" / f"{name}.wav", 60, seconds=0.5)
    midi = pretty_midi.PrettyMIDI()
    for name in ("a", "short", "broken", "loud"):
        midi.write(str(tmp_path / "reference" / f"{name}.mid"))
    (tmp_path / "reference" / "midi.mid").write_bytes(b"MThd")
    tone(tmp_path / "estimate" / "short.wav", 60, seconds=0.05)
    tone(tmp_path / "estimate" / "sub" / "a.flac", 60)
    tone(tmp_path / "estimate" / "a.flac", 60, seconds=0.5)
    (tmp_path / "estimate" / "broken.wav").write_bytes(b"RIFF")
    (tmp_path / "estimate" / "._a.wav").write_bytes(b"\0" * 82)  # as a Mac leaves it on other disks
    soundfile.write(tmp_path / "estimate" / "loud.wav", torch.full((22050,), 1e30).numpy(), 44100, "FLOAT")
    places = [tmp_path / "estimate", "--reference", tmp_path / "reference", "--json", tmp_path / "s.json"]
    with pytest.raises(UserError) as error:
        command.main([*map(str, places), "--midi"])
    first, *errors = str(error.value).splitlines()
    assert "1 files were scored, 7 were not" in first
    assert len(errors) == 7 and not any("._a" in line for line in errors)
    for name, reason in {
        "broken.wav": "broken.wav",
        "short.wav": "shorter",
        "loud.wav": "1e.30",
        "alone.wav": "no counterpart",
        "midi.mid": "MIDI",
        "sub/a.flac": "no counterpart",
        "a.wav": "a.flac has its name",
    }.items():
        assert any(name in line and re.search(reason, line) for line in errors), name
    written = json.loads((tmp_path / "s.json").read_text())
    assert [row["name"] for row in written["files"]] == ["a"] and written["errors"] == errors
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["name", "a"]
