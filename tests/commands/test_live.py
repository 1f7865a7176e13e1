import ctypes.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
import soundfile

from msdae.errors import UserError
from msdae.inference import unknown

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def midi(tmp_path_factory):
    path = tmp_path_factory.mktemp("score") / "tune.mid"
    score, part = pretty_midi.PrettyMIDI(), pretty_midi.Instrument(0)
    part.notes = [
        pretty_midi.Note(100, pitch, 0.4 * k, 0.4 * k + 0.3) for k, pitch in enumerate((60, 64, 67))
    ]
    score.instruments.append(part)
    score.write(str(path))
    return path


@pytest.mark.parametrize("kind", ["recording", "score"])
def test_a_file_is_played_without_a_card(run, sounds, midi, tmp_path, capsys, kind):
    timbre, melody = sounds
    source = melody if kind == "recording" else midi
    run("live", "--timbre", timbre, "--in-file", source, "--out", tmp_path / "y.wav", "--steps", 1)
    said = capsys.readouterr().out
    seconds = 80_001 / 22050 if kind == "recording" else 1.6
    assert soundfile.info(tmp_path / "y.wav").duration == pytest.approx(seconds, abs=0.01)
    assert re.search(
        r"delay: 0.557 s, [\d.]+ s measured\ntime: [\d.]+ of real time, [\d.]+ of one core's", said
    )


def test_a_sound_that_the_model_does_not_know_is_learnt_and_played(
    run, sounds, tmp_path, capsys, monkeypatch
):
    """Regressions: it ended with an AttributeError, and did not say that it learnt the sound."""
    monkeypatch.setattr(unknown, "_known", lambda *given: False)
    files = ["--timbre", sounds[0], "--in-file", sounds[1], "--out", tmp_path / "y.wav"]
    run("live", *files, "--steps", 1)
    assert unknown.UNKNOWN_SOUND in capsys.readouterr().err
    heard, _ = soundfile.read(tmp_path / "y.wav")
    assert np.abs(heard).max() > 0.01


def test_a_silent_timbre_source_is_refused(run, sounds, tmp_path, capsys):
    """Regression: it was played with, as noise."""
    soundfile.write(tmp_path / "silence.wav", [0.0] * 44100, 44100)
    files = ["--timbre", tmp_path / "silence.wav", "--in-file", sounds[1], "--out", tmp_path / "y.wav"]
    with pytest.raises(SystemExit, match="2"):
        run("live", *files, "--steps", 1)
    assert "silence.wav: nothing can be heard" in capsys.readouterr().err
    assert not (tmp_path / "y.wav").exists()


def test_a_timbre_source_of_two_channels_is_noted(run, sounds, tmp_path, capsys):
    """Regression: their mean was taken without the note that every other command prints."""
    tone = 0.1 * np.sin(np.arange(44100) / 10)
    soundfile.write(tmp_path / "two.wav", np.stack([tone, 0.5 * tone], axis=1), 44100)
    files = ["--timbre", tmp_path / "two.wav", "--in-file", sounds[1], "--out", tmp_path / "y.wav"]
    run("live", *files, "--steps", 1)
    assert f"note: {tmp_path / 'two.wav'}: " in capsys.readouterr().err


def test_a_silent_melody_source_is_noted(run, sounds, tmp_path, capfd):
    """Regression: two channels that cancel each other were played as silence, without a word."""
    tone = 0.1 * np.sin(np.arange(22050) / 10)
    soundfile.write(tmp_path / "sides.wav", np.stack([tone, -tone], axis=1), 44100)
    files = ["--timbre", sounds[0], "--in-file", tmp_path / "sides.wav", "--out", tmp_path / "y.wav"]
    run("live", *files, "--steps", 1)
    assert "sides.wav: nothing can be heard in the mean of its channels, so" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--in-file", "b"], "no sound; give --sound FILE"),
        (["--timbre", "a", "--in-file", "b", "--out", "b"], "is also an input"),
        (["--timbre", "a", "--in-file", "b", "--out", "y.txt"], "choose one of these extensions"),
        (["--sound", "a", "--in-file", "b"], "a recording, no learnt sound"),
        (["--timbre", "a", "--in-file", "b", "--midi"], "leave out --input, --output and --midi"),
        (["--timbre", "a", "--in-file", "b", "--seconds", "2"], "leave out --seconds"),
        (["--timbre", "a", "--block", "1"], "expected 256 to 8 192"),
        (["--timbre", "a", "--midi", "no such keyboard"], "MIDI"),
        (["--timbre", "a", "--out", "y.wav"], "--out: is of --in-file"),
        (["--timbre", "a", "--midi", "--input", "3"], "--midi is heard in place of --input"),
    ],
)
def test_what_does_not_go(sounds, arguments, said):
    from msdae.commands import live

    names = {"a": sounds[0], "b": sounds[1]}
    with pytest.raises(UserError, match=said):
        live.main([str(names.get(argument, argument)) for argument in arguments])


def card(folder: Path) -> dict[str, str]:
    """The environment with a sound card that hears silence and plays to nobody, faster than real time."""
    (folder / "asound.conf").write_text(
        "</usr/share/alsa/alsa.conf>\npcm.!default { type null }\npcm.quiet { type null hint { show on } }\n"
    )
    return {**os.environ, "ALSA_CONFIG_PATH": str(folder / "asound.conf"), "PYTHONPATH": str(ROOT)}


@pytest.mark.skipif(
    not ctypes.util.find_library("portaudio") or not Path("/usr/share/alsa/alsa.conf").exists(),
    reason="needs PortAudio over ALSA",
)
def test_a_card_that_is_faster_than_any_engine_stops_nothing(sounds, tmp_path):
    pytest.importorskip("cffi")
    line = [
        sys.executable,
        "experiments/live.py",
        "--timbre",
        str(sounds[0]),
        "--seconds",
        "2",
        "--steps",
        "1",
    ]
    done = subprocess.run(line, cwd=ROOT, env=card(tmp_path), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    played = re.search(r"played ([\d.]+) s; ([\d.]+) s late, ([\d.]+) s dropped", done.stdout)
    assert played and float(played[1]) >= 1, done.stdout
    listing = subprocess.run(
        [*line[:2], "--list"], cwd=ROOT, env=card(tmp_path), capture_output=True, text=True, timeout=300
    )
    assert "quiet" in listing.stdout and "MIDI:" in listing.stdout
