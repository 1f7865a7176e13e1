import numpy as np
import pytest
import soundfile
import torch

from msdae import codecs
from msdae.errors import UserError
from msdae.evaluation.metrics import renditions
from msdae.evaluation.metrics.renditions import Plan
from msdae.symbolic import instruments
from msdae.symbolic.corpus import split_of
from msdae.synthesis import soundfont

SEEN, HELD_OUT = instruments.voices([str(soundfont.default())], [str(soundfont.default())])


@pytest.fixture(autouse=True)
def few_pieces(monkeypatch):
    monkeypatch.setattr(renditions, "PIECES", 3)
    renditions._pieces.cache_clear()
    yield
    renditions._pieces.cache_clear()


def test_clips_are_of_the_splits_pieces_and_repeat(tmp_path):
    plans = [Plan(voice, "train", 4) for voice in SEEN[:2]]
    first = renditions.render(plans, tmp_path / "a", "test", workers=1)
    assert first.mels.shape == (8, 128, 96)
    assert first.instruments.tolist() == [0] * 4 + [1] * 4 and set(first.programs) == {0, 1}
    notes = [piece for piece in first.pieces if piece.startswith("note ")]
    assert len(notes) == 4
    assert {split_of(piece) for piece in set(first.pieces) - set(notes)} == {"train"}
    again = renditions.render(plans, tmp_path / "b", "test", workers=1)
    np.testing.assert_array_equal(first.mels, again.mels)


def test_what_is_there_is_read_and_another_plan_is_not(tmp_path):
    plan = Plan(SEEN[0], "train", 2)
    renditions.render([plan], tmp_path, "test", workers=1)
    [path] = tmp_path.iterdir()
    before = path.stat().st_mtime_ns
    renditions.render([plan], tmp_path, "test", workers=1)
    assert path.stat().st_mtime_ns == before
    for other in (
        Plan(SEEN[1], "train", 2),
        Plan(SEEN[0], "validation", 2),
        Plan(SEEN[0], "train", 3),
        Plan(SEEN[0], "train", 2, seed=1),
        Plan(SEEN[0], "train", 2, codec="spectral"),
    ):
        assert other.name != plan.name


def test_the_codec_gets_the_same_clips(tmp_path):
    voice = HELD_OUT[0]
    plain = renditions.render([Plan(voice, "train", 2)], tmp_path, "test", workers=1)
    coded = renditions.render([Plan(voice, "train", 1, codec="spectral")], tmp_path, "test", workers=1)
    assert coded.pieces[0] == plain.pieces[0]
    difference = (coded.mels[0].float() - plain.mels[0].float()).abs().mean()
    other = (plain.mels[1].float() - plain.mels[0].float()).abs().mean()
    assert 0.5 < difference < other


def test_clips_are_of_the_whole_codec(tmp_path, monkeypatch):
    """Codecs with the same latents may decode them differently."""
    plan, codec = Plan(SEEN[0], "train", 2, codec=codecs.DEFAULT), codecs.load(codecs.DEFAULT)
    monkeypatch.setattr(renditions, "_codec", lambda name, device: codec)
    monkeypatch.setattr(renditions, "_identity", renditions._identity.__wrapped__)
    name, fingerprint = plan.name, codec.fingerprint
    with torch.no_grad():
        next(codec.frame.parameters()).mul_(2)
    assert codec.fingerprint == fingerprint and plan.name != name


def test_a_missing_soundfont_is_named(tmp_path):
    voices, _ = instruments.voices([str(tmp_path / "none.sf2")], [])
    with pytest.raises(UserError, match=r"none\.sf2"):
        renditions.render([Plan(voices[0], "train", 1)], tmp_path / "clips", "test", workers=1)


def test_codecs_on_another_device_make_the_same(tmp_path):
    """The path of accelerators, on which this process runs the codecs, taken on the CPU."""
    plan = Plan(SEEN[0], "train", 2, codec="spectral", rooms=0.5)
    expected = renditions.render([plan], tmp_path / "a", "test", workers=1)
    path = tmp_path / "b" / f"{plan.name}.safetensors"
    part = renditions.parts.Part(renditions._render_plan, plan, path, 2)
    path.parent.mkdir()
    renditions._run_apart([part], "test", 1, renditions.silent, renditions.CPU)
    assert list(path.parent.iterdir()) == [path]
    difference = renditions.render([plan], tmp_path / "b", "test", workers=1).mels - expected.mels
    assert difference.abs().mean() < 0.1  # dB, of sounds kept in half precision


def test_rooms_reverberate(tmp_path):
    """In a room the end of a note that has died away is louder."""
    plans = [Plan(SEEN[0], "train", 1, 7, rooms=share) for share in (1e-9, 1.0)]
    dry, wet = (renditions.render([plan], tmp_path, "test", workers=1).mels.float() for plan in plans)
    assert (wet - dry).mean() > 1


def test_libraries_are_split_into_learnt_and_held_out(tmp_path, monkeypatch):
    monkeypatch.setenv("MSDAE_HOME", str(tmp_path / "home"))
    for number, name in enumerate(("oboe", "bassoon", "sitar")):
        (tmp_path / "all" / name).mkdir(parents=True)
        time = np.arange(44100) / 44100
        for key, hertz in (("A3", 220), ("A4", 440)):
            tone = np.sin(2 * np.pi * hertz * time) + np.sin(2 * np.pi * (2 + number) * hertz * time)
            soundfile.write(tmp_path / "all" / name / f"{name}_{key}.wav", tone / 3, 44100)
    alike = tmp_path / "all" / "all reeds"  # before the bassoon by name, and of its samples
    alike.mkdir()
    for sample in (tmp_path / "all" / "bassoon").iterdir():
        (alike / sample.name).write_bytes(sample.read_bytes())
    learnt, held_out = renditions.recorded(
        [tmp_path / "all"], [tmp_path / "all" / "sitar"], lambda name: "bassoon" in name
    )
    assert [voice.instrument.name for voice in learnt] == ["all/oboe"]
    assert [voice.instrument.name for voice in held_out] == ["sitar", "all/bassoon"]
    numbers = [voice.instrument.program for voice in (*learnt, *held_out)]
    assert numbers == [128, 129, 130]
    first = renditions.render([Plan(learnt[0], "train", 2)], tmp_path / "a", "test", workers=1)
    assert first.mels.shape == (2, 128, 96) and set(first.programs) == {128}
