import itertools
import json
import random
import sys

import numpy as np
import pytest

from msdae.errors import UserError
from msdae.symbolic.notes import Note
from msdae.synthesis import pitch, plugins
from msdae.synthesis.plugin_presets import SYNTHESIZERS, Preset

RATE = 44100
QUICK = {"string", "guitar", "violin"}  # models that Faust compiles in a second
NOTES = [Note(0.1, 0.8, 60, 100), Note(1.0, 1.6, 67, 100)]


def voice(algorithm, name="A         "):
    return bytes([0] * 110 + [algorithm] + [0] * 7) + name.encode()


def preset(algorithm):
    return Preset("dx7", "dx7/bank/A", json.dumps({"voice": voice(algorithm).hex()}))


def test_notes_have_their_pitches_times_and_one_level(dx7):
    usable, reason = plugins.judge(preset(0))
    assert reason == "" and usable.tune == 0
    notes = [*NOTES, Note(5.0, 6.0, 60, 100)]  # after the end
    waveform = plugins.render([note._replace(pitch=note.pitch + 0.3) for note in notes], usable, 2 * RATE)
    assert waveform.dtype == np.float32 and waveform.shape == (2 * RATE,)
    assert not waveform[: round(0.099 * RATE)].any() and not waveform[round(0.85 * RATE) : RATE - 9].any()
    for onset, offset, key, _ in NOTES:
        part = waveform[round(onset * RATE) : round(offset * RATE)]
        assert pitch.measure(part, RATE, key) == pytest.approx(key + 0.3, abs=0.03)
        assert np.abs(part).max() == pytest.approx(plugins.LEVEL * 100 / 127, rel=0.05)


@pytest.mark.parametrize("algorithm", [1, 2, 3])
def test_presets_with_faults_are_left_out(dx7, algorithm):
    reason = ("silent", "clipped", "out of tune")[algorithm - 1]
    assert plugins.judge(preset(algorithm)) == (None, reason) and plugins.refused == {reason: 1}


def test_a_preset_that_crashes_is_left_out_and_counted(dx7, caplog):
    assert plugins.judge(preset(4)) == (None, "crashed")
    with pytest.raises(plugins.Crash):
        plugins.render(NOTES, preset(4), RATE)
    assert plugins.refused["crashed"] == 2
    assert "dx7/bank/A crashed and is left out, 2 so far" in caplog.text
    assert plugins.judge(preset(0))[1] == ""


def test_a_preset_that_hangs_is_left_out(dx7, monkeypatch):
    plugins.judge(preset(0))
    monkeypatch.setattr(plugins, "PATIENCE", 1.0)
    assert plugins.judge(preset(5)) == (None, "crashed")


def test_presets_are_drawn_by_the_seed_until_one_can_be_used(dx7, tmp_path):
    bank = tmp_path / "bank.dx7"
    bank.write_bytes(b"".join(voice(algorithm, f"VOICE {algorithm:<4}") for algorithm in (0, 1, 2, 3, 4)))
    drawn = [plugins.draw("dx7", random.Random(seed), [str(bank)]) for seed in range(8)]
    assert drawn == [plugins.draw("dx7", random.Random(seed), [str(bank)]) for seed in range(8)]
    assert {one.name for one in drawn} == {"dx7/bank/VOICE 0", "dx7/random"}
    assert len({one.fingerprint for one in drawn}) > 2 and plugins.refused
    bank.write_bytes(voice(1))
    plugins.voices.cache_clear()
    with pytest.raises(UserError, match=r"dx7: none of 200 presets can be used \(200 silent\)"):
        plugins.draw("dx7", type("First", (random.Random,), {"random": lambda _: 0.0})(), [str(bank)])


def test_banks_are_files_and_folders_of_voices_one_after_another_or_as_they_are_sent(tmp_path):
    voices = [voice(0, f"VOICE {number:<4}") for number in range(40)]
    sent = b"\xf0\x43\x00\x09\x20\x00" + b"".join(voices[:32]) + b"\x00\xf7"
    (tmp_path / "a.syx").write_bytes(b"\xf0\x7e\x00\xf7" + sent)
    (tmp_path / "b.dx7").write_bytes(b"".join(voices[30:]))
    (tmp_path / "notes.txt").write_text("no bank")
    assert plugins.voices((str(tmp_path),)) == tuple(voices)
    assert plugins.voices((str(tmp_path / "b.dx7"),)) == tuple(voices[30:])
    (tmp_path / "c.syx").write_bytes(b"RIFF" * 100)
    (tmp_path / "empty").mkdir()
    for name, message in (("c.syx", "not a bank"), ("empty", "no DX7 banks"), ("gone", "no such file")):
        with pytest.raises(UserError, match=f"{name}: {message}"):
            plugins.voices((str(tmp_path / name),))


def test_what_is_written_down_names_versions_and_banks(dx7, tmp_path):
    without = plugins.record(("dx7",), ())
    assert without["synthesizers"] == [["dx7", "9.0"]] and without["banks"][0] == 0
    (tmp_path / "a.dx7").write_bytes(voice(0))
    assert plugins.record(("dx7",), (str(tmp_path),))["banks"] != without["banks"]


@pytest.mark.parametrize("name", SYNTHESIZERS)
def test_without_the_extra_it_says_what_to_install(name, monkeypatch):
    monkeypatch.setitem(sys.modules, SYNTHESIZERS[name].module, None)
    with pytest.raises(UserError, match=r"pip install 'msdae\[synthesizers\]'"):
        plugins.require([name])


@pytest.mark.parametrize("name", SYNTHESIZERS)
def test_real_packages_play_in_tune_and_the_same_whatever_was_played_before(name):
    pytest.importorskip(SYNTHESIZERS[name].module, reason=f"{SYNTHESIZERS[name].package} is not installed")
    candidates = (SYNTHESIZERS[name].candidate(random.Random(seed), ()) for seed in itertools.count())
    fast = (one for one in candidates if name != "faust" or one.name.partition("/")[2] in QUICK)
    usable = next(usable for usable, _ in map(plugins.judge, fast) if usable)
    waveform = plugins.render(NOTES, usable, 2 * RATE)
    for onset, offset, key, _ in NOTES:
        part = waveform[round(onset * RATE) : round(offset * RATE)]
        assert pitch.measure(part, RATE, key) == pytest.approx(key, abs=0.15)
    plugins.render([Note(0, 1, 50, 30)], usable, RATE)
    plugins._host.cache_clear()
    assert np.array_equal(plugins.render(NOTES, usable, 2 * RATE), waveform)
