"""Recordings to pieces by the networks of a model: what is left out of them, and whose clips they are."""

from dataclasses import replace

import pytest
import soundfile
import torch

from msdae.data.sources import ClipLength, SourceFile
from msdae.errors import UserError
from msdae.inference import pieces
from msdae.inference.pipeline import Pipeline
from tests.inference.test_inference import Toy, random_model


@pytest.fixture(scope="module")
def pipeline():
    return Pipeline(random_model(codec := Toy()), codec)


def written(path, waveform):
    soundfile.write(path, waveform.numpy(), 44100)
    return SourceFile(path.stem, path, 3, {"instrument": "oboe", "notes": [[0.0, 1.0, 60, 90]]})


def test_silence_at_the_end_and_notes_are_left_out(pipeline, melody, tmp_path):
    sound = torch.cat([melody(6.0)[0], torch.zeros(4 * 44100)])
    file = written(tmp_path / "a.wav", sound)
    (piece,) = pieces.encoded(pipeline, {"train": [file]})["train"]
    assert piece.frames == pytest.approx(6.0 * 44100 / pipeline.codec.hop, abs=10) and piece.frames % 8 == 0
    assert piece.labels == {"instrument": "oboe"} and piece.texts is None
    assert {level: code.shape[1] for level, code in piece.melody.items()} == {
        level: piece.frames // pieces.Grid.of(pipeline.model).levels[level - 1].frames
        for level in piece.melody
    }


def test_what_is_silent_is_no_piece(pipeline, melody, tmp_path):
    silent, heard = (
        written(tmp_path / "a.wav", torch.zeros(44100)),
        written(tmp_path / "b.wav", melody(4.0)[0]),
    )
    found = pieces.encoded(pipeline, {"train": [silent, heard], "valid": [silent]})
    assert [piece.name for piece in found["train"]] == ["b"] and found["valid"] == []
    with pytest.raises(UserError, match="no recording with sound to learn from"):
        pieces.encoded(pipeline, {"train": [silent]})


def test_lengths_are_those_of_the_sound(tmp_path):
    """Regression: evaluate-priors asked recordings for excerpts of all of them, longer than what is read."""
    clip, whole = ClipLength(1000, 44100), SourceFile("a", tmp_path / "a.wav", 4)
    soundfile.write(whole.path, torch.full((4300,), 0.1).numpy(), 44100)
    kinds = {
        4000: whole,
        1000: replace(whole, clips=1, first=3, whole=False),
        2000: replace(whole, clips=2),
        4300: replace(whole, clips=1),
    }
    for samples, file in kinds.items():
        assert pieces.length(file, clip, 44100) == len(pieces.sound(file, clip, 44100)) == samples
