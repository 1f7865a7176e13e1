"""The split "real" on a library of tones: cases, sound, and the benchmark from end to end."""

import json
import math
import shutil

import numpy as np
import pytest
import soundfile
import torch

from msdae.audio import temperament
from msdae.errors import UserError
from msdae.evaluation.metrics import f0
from msdae.evaluation.swapbench import cases, real
from msdae.evaluation.swapbench.run import EvaluationConfig, evaluate
from msdae.evaluation.swapbench.sounds import play
from msdae.evaluation.swapbench.systems import CaseBatch, Learnt
from msdae.inference.pipeline import Pipeline, Sampling
from msdae.symbolic.corpus import split_of
from msdae.synthesis import pitch

RATE = 44100
NAMES = (
    "bassoon",
    "english-horn",
    "trombone",
    "mandolin",
    "banjo",
    "acoustic-guitar-steel",
    "bright-acoustic-piano",
    "pizzicato-strings",
)


def tone(key, weights, seconds=1.0):
    time = np.arange(round(seconds * RATE)) / RATE
    partials = (
        w * np.sin(2 * np.pi * k * temperament.hertz(key) * time) for k, w in enumerate(weights, start=1)
    )
    return 0.5 * sum(partials) / sum(weights)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Where measured pitches are kept, and by default samples."""
    monkeypatch.setenv("MSDAE_HOME", str(tmp_path / "home"))
    real.library.cache_clear()
    return tmp_path / "home"


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """A folder of two tones an instrument, each with its own partials; a contrabassoon is no bassoon."""
    folder = tmp_path_factory.mktemp("library")
    for number, name in enumerate(("contrabassoon", *NAMES)):
        (folder / name).mkdir()
        weights = np.random.default_rng(number).uniform(0.1, 1, 5 + 2 * number)
        for key, note in ((55, "G3"), (67, "G4")):
            soundfile.write(folder / name / f"{name}_{note}.wav", tone(key, weights), RATE)
    return folder


@pytest.fixture(scope="module")
def library(samples, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MSDAE_HOME", str(tmp_path_factory.mktemp("home")))
        return real.library((samples,))


def test_the_instruments_are_those_of_the_names(library):
    assert [player.name.rpartition("/")[2] for player in library.players] == list(NAMES)


def test_what_is_missing_is_said_in_one_line(home, tmp_path):
    (tmp_path / "banjo").mkdir()
    soundfile.write(tmp_path / "banjo" / "banjo_G3.wav", tone(55, [1, 1]), RATE)
    with pytest.raises(UserError, match="no samples of bassoon, .*github.com/skratchdot.*--samples") as said:
        real.library((tmp_path,))
    assert "banjo" not in str(said.value) and "\n" not in str(said.value)
    with pytest.raises(UserError, match="bassoon.*pizzicato strings;"):
        real.library()


def test_they_lie_in_the_data_folder_and_the_fingerprint_is_of_them(home, samples, library, tmp_path):
    shutil.copytree(samples, home / "data" / "samples")
    assert real.library().fingerprint == library.fingerprint
    other = shutil.copytree(samples, tmp_path / "other")
    soundfile.write(other / "banjo" / "banjo_G3.wav", tone(55, [1, 1], 0.8), RATE)
    assert real.library((other,)).fingerprint != library.fingerprint


def test_cases_by_default():
    counts = cases.counts(["real", "test", "unseen"])
    assert sum(counts["real"].values()) == 120
    assert sum(sum(counts[split].values()) for split in ("test", "unseen")) == 200
    assert sum(cases.counts(["real"], 60)["real"].values()) == 60


def test_cases_follow_from_the_seed_and_half_are_in_a_room():
    drawn = cases.plan("real", 3, {"monophonic": 8, "two voices": 2, "note": 8})
    assert drawn == cases.plan("real", 3, {"monophonic": 8, "two voices": 2, "note": 8})
    assert drawn[:4] != cases.plan("real", 4, {"monophonic": 4})
    assert sum(bool(case.timbre.room) for case in drawn) == 9
    assert all(bool(case.timbre.room) == bool(case.melody.room) for case in drawn)
    for case in drawn:
        assert case.truth.room == case.timbre.room and (
            case.melody.room != case.truth.room or not case.truth.room
        )
        assert cases.from_json(json.loads(json.dumps(cases.to_json(case)))) == case
        if case.texture == "two voices":
            assert {case.timbre.instrument, case.melody.instrument} <= {kind.name for kind in real.CHORDS}
    clips = cases.references("real", "notes")
    assert len(clips) == 8 * 8 and sum(bool(clip.room) for clip in clips) == 32


def test_the_validation_part_has_other_instruments_and_pieces():
    drawn = cases.plan("real-valid", 0, {"monophonic": 6, "polyphonic": 1, "note": 2})
    kinds = {kind.name: kind.program for kind in real.INSTRUMENTS["real-valid"]}
    assert not set(kinds) & {kind.name for kind in real.INSTRUMENTS["real"]}
    assert not set(kinds.values()) & {kind.program for kind in real.INSTRUMENTS["real"]}
    for case in drawn:
        assert {case.timbre.instrument, case.melody.instrument} <= set(kinds)
        if case.set == "melodies":
            assert {split_of(role.piece) for role in (case.timbre, case.melody)} == {"validation"}
    assert {case.timbre.instrument for case in drawn[:6]} == set(kinds)  # each in its turn
    assert sum(cases.counts(["real-valid"])["real-valid"].values()) == 36
    assert all(real.split_of(number) == "real-valid" for number in kinds.values())


def test_both_splits_are_of_one_library(samples, tmp_path, monkeypatch):
    monkeypatch.setenv("MSDAE_HOME", str(tmp_path / "home"))
    with pytest.raises(UserError, match="split real-valid: no samples of oboe, saxophone, .*guitar"):
        real.library((samples,), ("real-valid",))
    folder = shutil.copytree(samples, tmp_path / "both")
    for name in ("oboe", "saxophone", "flute", "cello", "guitar", "electric-grand-piano"):
        shutil.copytree(samples / "banjo", folder / name)
    both = real.library((folder,), ("real", "real-valid"))
    assert both.numbers == tuple(range(14))
    names = [player.name.rpartition("/")[2] for player in both.players]
    assert names[8:] == ["oboe", "saxophone", "flute", "cello", "guitar", "electric-grand-piano"]
    assert np.array_equal(
        both.play(12, ((0.0, 0.5, 60, 100),), RATE), both.play(4, ((0.0, 0.5, 60, 100),), RATE)
    )


def test_held_out_instruments_are_known_by_name():
    held_out = (
        "philharmonia/bassoon",
        "gm-sfz/acoustic-guitar-steel",
        "x/pizzicato strings",
        "x/Cor Anglais",
    )
    assert all(map(real.is_held_out, held_out))
    learnt = (
        "philharmonia/contrabassoon",
        "philharmonia/guitar",
        "gm-sfz/acoustic-grand-piano",
        "x/bass trombone",
    )
    assert not any(map(real.is_held_out, learnt))


def test_a_room_reverberates_and_is_the_same_for_all_that_is_in_it(library):
    notes, other = ((0.0, 0.5, 60, 100),), ((0.0, 0.5, 64, 100),)
    dry, wet, again = (library.play(0, notes, RATE, room) for room in ("", "hall", "hall"))
    assert np.array_equal(wet, again) and not np.array_equal(wet, library.play(0, notes, RATE, "cell"))
    end = slice(round(0.8 * RATE), None)
    assert np.abs(wet[end]).max() > 1e-3 > np.abs(dry[end]).max()
    clip = play(cases.Performance("Bassoon", 0, real.SAMPLES, "note 64", other, "hall"), library)
    assert clip.shape == (cases.CLIP_SAMPLES,) and float(clip.abs().max()) == pytest.approx(0.6)
    assert pitch.measure(clip.numpy()[: RATE // 2], RATE, 64) == pytest.approx(64, abs=0.2)


def test_from_end_to_end(samples, library, tmp_path, monkeypatch):
    """A function that answers with the melody source; the judge of single lines is not installed."""
    monkeypatch.setattr(f0, "_detector", lambda: None)
    monkeypatch.setattr(cases, "REFERENCES", 2)
    settings = EvaluationConfig(splits=("real",), cases=4, samples=(samples,), report_cases=0)
    short, full = evaluate({}, tmp_path, settings, functions={"mine": lambda timbre, melody: melody})
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["settings"]["samples"] == library.fingerprint
    copies = [
        short[0].column("melodies: MFCC cosine ↑")[row].value
        for row in ("truth", "copy melody source", "mine")
    ]
    assert copies[0] == pytest.approx(1) and copies[1] == copies[2] < 0.99
    titles = [table.title.removeprefix("SwapBench, real split: ") for table in full]
    assert {"notes", "monophonic melodies", "melodies of two voices and more"} < set(titles)
    single = full[titles.index("monophonic melodies")]
    assert set(single.column("raw pitch accuracy ↑").values()) == {"-"} and "pip install" in single.note
    assert single.column("MFCC cosine to the timbre source ↑")["copy timbre source"].value == pytest.approx(1)
    assert {
        "truth",
        "copy melody source",
        "copy timbre source",
        "codec",
        "nearest neighbours",
        "equaliser",
        "mine",
    } == set(single.column("melody F1 ↑"))
    with pytest.raises(UserError, match="made with another settings"):
        other = EvaluationConfig(splits=("real",), cases=4, samples=(samples,), report_cases=1)
        evaluate({}, tmp_path, other)


def test_a_learnt_sound_is_a_row(library, codec, tiny_model, monkeypatch):
    pipeline = Pipeline(tiny_model(stage=2), codec, Sampling(steps=2))
    system, longer = Learnt("tiny", pipeline), Learnt("tiny", pipeline, 60.0)
    assert [row for ((row, _),) in (system.outputs, longer.outputs)] == [
        "tiny {1} learnt",
        "tiny {1} learnt 60 s",
    ]
    learn = pipeline.learn
    monkeypatch.setattr(
        pipeline, "learn", lambda source, seconds, **at: learn(source, seconds, steps=2, **at)
    )
    (case,) = cases.plan("real", 0, {"monophonic": 1})
    batch = CaseBatch(
        [case], *(play(getattr(case, role), library)[None] for role in ("timbre", "melody", "truth"))
    )
    learnt, plain = system.render(batch, system.outputs[0]), system.swap(batch, [1])
    assert (
        learnt.shape == plain.shape and math.isfinite(float(learnt.sum())) and not torch.equal(learnt, plain)
    )
