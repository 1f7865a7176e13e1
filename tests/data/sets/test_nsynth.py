import json
import shutil

import pytest
import torch

from msdae import audio
from msdae.data.sets import nsynth
from msdae.data.tally import Tally
from msdae.errors import UserError

LABELS = {
    "pitch": 60,
    "velocity": 75,
    "instrument_str": "guitar_acoustic_000",
    "instrument_family_str": "guitar",
    "instrument_source_str": "acoustic",
}
GOOD = "guitar_acoustic_000-060-075"


@pytest.fixture
def root(tmp_path):
    """A train split with one good note."""
    folder = tmp_path / "nsynth-train"
    (folder / "audio").mkdir(parents=True)
    _note(folder, GOOD)
    _examples(folder, {GOOD: LABELS})
    return tmp_path


def _note(folder, name, seconds=4.0):
    waveform = 0.1 * torch.sin(torch.arange(round(seconds * 16000)) * 0.1)
    audio.write(folder / "audio" / f"{name}.wav", waveform, 16000, subtype="PCM_16")


def _examples(folder, examples):
    (folder / "examples.json").write_text(json.dumps(examples))


def test_a_note_has_one_clip_and_its_labels(root):
    (root / "nsynth-train" / "audio" / ".half-written.wav").write_bytes(b"RIFF")
    tally = Tally()
    (note,) = nsynth.scan(root, tally)["train"]
    assert note.clips == 1
    assert (note.labels["dataset"], note.labels["kind"]) == ("nsynth", "note")
    assert note.labels["family"] == "guitar"
    assert (note.labels["pitch"], note.labels["velocity"]) == (60, 75)
    (played,) = note.labels["notes"]
    assert played == [0.0, pytest.approx(2.972, abs=1e-3), 60, 75]
    assert (tally.total, tally.accepted) == (1, 1)


def test_faulty_notes_are_rejected_each_with_its_reason(root):
    folder = root / "nsynth-train"
    examples = {GOOD: LABELS, "absent": LABELS, "short": LABELS, "text": LABELS, "cut": LABELS, "bare": {}}
    _examples(folder, examples)
    for name in ("unknown", "bare", "cut"):
        _note(folder, name)
    _note(folder, "short", seconds=1.0)
    (folder / "audio" / "text.wav").write_text("this is a letter")
    cut = folder / "audio" / "cut.wav"
    cut.write_bytes(cut.read_bytes()[:30000])
    tally = Tally()
    assert [file.name for file in nsynth.scan(root, tally)["train"]] == [GOOD]
    assert (tally.total, tally.accepted) == (7, 1)
    assert tally.rejected == {
        "no such file": 1,
        "shorter than one clip": 1,
        "not a readable recording": 1,
        "was cut short": 1,
        "incomplete labels": 1,
        "not in examples.json": 1,
    }


def test_strict_raises_the_first_rejection(root):
    _note(root / "nsynth-train", "unknown")
    with pytest.raises(UserError, match="unknown.wav: not in examples.json"):
        nsynth.scan(root, Tally(strict=True))


def test_missing_or_broken_layouts_are_named(root, tmp_path):
    with pytest.raises(UserError, match="no nsynth-train"):
        nsynth.scan(tmp_path / "nsynth-train", Tally())
    (root / "nsynth-train" / "examples.json").write_text("{")
    with pytest.raises(UserError, match="examples.json: damaged"):
        nsynth.scan(root, Tally())
    (root / "nsynth-train" / "examples.json").write_text("[]")
    with pytest.raises(UserError, match="examples.json: expected names with values"):
        nsynth.scan(root, Tally())
    shutil.rmtree(root / "nsynth-train")
    with pytest.raises(UserError, match="no nsynth-train"):
        nsynth.scan(root, Tally())


def test_entries_of_other_types_cost_their_note_only(root):
    """Regression: entries that were no objects, or led out of the set, ended in a traceback."""
    folder = root / "nsynth-train"
    shutil.copy(folder / "audio" / f"{GOOD}.wav", root / "outside.wav")
    odd = {"pitch": [["60"], "60", 128, -1, 60.5, None, True], "velocity": [10**30], "instrument_str": [3]}
    examples = {GOOD: LABELS, "../../outside": LABELS, "a/../b": LABELS, "\ud800": LABELS, "x" * 300: LABELS}
    examples |= {"list": [], "text": "pitch", "number": 3}
    for name in (f"{key}{index}" for key, values in odd.items() for index in range(len(values))):
        shutil.copy(folder / "audio" / f"{GOOD}.wav", folder / "audio" / f"{name}.wav")
    examples |= {f"{k}{index}": {**LABELS, k: v} for k, vs in odd.items() for index, v in enumerate(vs)}
    _examples(folder, examples)
    tally = Tally()
    assert [file.name for file in nsynth.scan(root, tally)["train"]] == [GOOD]
    assert tally.rejected == {
        "not the name of a note": 4,
        "damaged entry in examples.json": 3,
        "damaged": 9,
    }
