import hashlib
import json
import random

import numpy as np
import pytest
import torch

from msdae import audio
from msdae.data.sets import rendered as synth
from msdae.data.sets import squares
from msdae.data.sources import ClipLength
from msdae.data.tally import Tally
from msdae.errors import UserError
from msdae.symbolic.corpus import split_of
from msdae.symbolic.instruments import voices
from msdae.synthesis import effects, procedural, soundfont

SETTINGS = synth.Settings(clips=8, seed=4)
MELODY = [(0.2, 0.7, 60, 90), (0.8, 1.4, 67, 70)]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("squares")
    squares.render_square(square(0), folder / "train" / "Square00000")
    return folder


def square(index):
    return squares.Square("train", index, 4, tuple(voices((str(soundfont.default()),), ())[0]))


def test_a_square_is_two_excerpts_by_two_sounds(rendered):
    labels = json.loads((rendered / "train" / "Square00000" / "square.json").read_text())
    assert set(labels) == {"XP", "XQ", "YP", "YQ"}
    for one, other, key in (
        ("XP", "XQ", "notes"),
        ("YP", "YQ", "notes"),
        ("XP", "YP", "sound"),
        ("XQ", "YQ", "sound"),
    ):
        assert labels[one][key] == labels[other][key]
    assert labels["XP"]["sound"] != labels["XQ"]["sound"] and labels["XP"]["piece"] != labels["YP"]["piece"]
    assert all(split_of(cell["piece"]) == "train" for cell in labels.values() if "note " not in cell["piece"])
    waveforms = {cell: audio.read(rendered / "train" / "Square00000" / f"{cell}.flac") for cell in labels}
    assert all(
        len(waveform) == ClipLength().samples and waveform.abs().max() > 0.2
        for waveform in waveforms.values()
    )
    assert not torch.allclose(waveforms["XP"], waveforms["XQ"], atol=0.05)


def test_squares_repeat_byte_for_byte(rendered, tmp_path):
    squares.render_square(square(0), tmp_path / "again")
    digest = lambda path: hashlib.sha256(path.read_bytes()).hexdigest()  # noqa: E731
    for path in (rendered / "train" / "Square00000").iterdir():
        assert digest(path) == digest(tmp_path / "again" / path.name)


def test_scan_labels_partners(rendered):
    tally = Tally()
    files = squares.scan(rendered, tally)["train"]
    assert tally.accepted == len(files) == 4
    assert {file.labels["score"] for file in files} == {"Square00000/X", "Square00000/Y"}


def test_held_out_instruments_play_in_no_square():
    names = {voice.instrument.program for voice in square(0).voices}
    from msdae.symbolic.instruments import HELD_OUT

    assert not names & set(HELD_OUT)


@pytest.mark.parametrize("seed", range(6))
def test_formulas_play_the_notes_they_are_given(seed):
    patch = procedural.Patch.draw(random.Random(seed))
    waveform = procedural.render(MELODY, patch, ClipLength().samples)
    assert waveform.dtype == np.float32 and np.isfinite(waveform).all() and np.abs(waveform).max() <= 1.001
    assert np.abs(waveform[: round(0.19 * 44100)]).max() == 0
    sounding = waveform[round(0.25 * 44100) : round(0.6 * 44100)]
    spectrum = np.abs(np.fft.rfft(sounding * np.hanning(len(sounding))))
    strongest = spectrum.argmax() * 44100 / len(sounding)
    harmonic = strongest / 261.63 * (2 if patch.index else 1)  # FM with half ratios sounds an octave below
    if patch.index == 0:
        assert abs(harmonic - round(harmonic)) < 0.05


@pytest.mark.parametrize("effect", [effect for effect, _ in effects.CHAIN])
def test_effects_keep_length_and_change_the_sound(effect):
    waveform = soundfont.render(MELODY, soundfont.default(), 40, ClipLength().samples).numpy()
    changed = effect(waveform, MELODY, random.Random(1))
    assert changed.shape == waveform.shape and changed.dtype == np.float32 and np.isfinite(changed).all()
    assert np.abs(changed - waveform).max() > 1e-4
    assert np.array_equal(changed, effect(waveform, MELODY, random.Random(1)))


def test_all_splits_are_rendered_and_pieces_stay_in_theirs(tmp_path):
    settings = synth.Settings(clips=4, seed=4)
    squares.render(settings, tmp_path, workers=1)
    found = squares.scan(tmp_path, Tally())
    assert {split: len(files) for split, files in found.items()} == {"train": 4, "valid": 12, "test": 12}
    for split, folder in (("valid", "validation"), ("test", "test")):
        pieces = {file.labels["piece"] for file in found[split]}
        assert all(split_of(piece) == folder for piece in pieces if not piece.startswith("note "))
    with pytest.raises(UserError, match="other seed"):
        squares.render(synth.Settings(clips=4, seed=5), tmp_path, workers=1)
