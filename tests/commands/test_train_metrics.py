import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

import msdae
from msdae import checkpoint, codecs
from msdae.audio import temperament
from msdae.codecs import pca
from msdae.evaluation.metrics import classifier, learning, renditions, timbre
from msdae.evaluation.swapbench import real
from msdae.symbolic import instruments
from msdae.symbolic.instruments import HELD_OUT, seen
from msdae.synthesis import soundfont

RATE = 44100


def test_fits_writes_and_reports(tmp_path, monkeypatch):
    monkeypatch.setattr(renditions, "PIECES", 2)
    monkeypatch.setattr(renditions, "NOTE_EVERY", 1)  # single notes alone: nothing to parse
    few = [instrument for instrument in seen() if instrument.program in (0, 40, 56)]
    held_out = [instrument for instrument in instruments.unseen() if instrument.program in (42, 75)]
    monkeypatch.setattr(instruments, "seen", lambda: few)
    monkeypatch.setattr(instruments, "unseen", lambda: held_out)
    monkeypatch.setenv("MSDAE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(learning, "TIMES", 1)
    monkeypatch.setattr(pca, "PHASE_STEPS", 4)  # how good phases are matters to nothing here
    hardened = shutil.copy(
        Path(msdae.__file__).parent / "assets" / "spectral.safetensors", tmp_path / "new.st"
    )
    settings = learning.MetricConfig(
        clips=4, coded=1, references=4, checked=1, steps=3, codecs=(codecs.DEFAULT, "spectral", str(hardened))
    )
    font = str(soundfont.default())
    seen_samples, unseen_samples = recorded(tmp_path / "library", "oboe", "harp", "trombone", "sitar")
    networks = learning.fit(
        [font], settings, tmp_path / "clips", tmp_path / "out", workers=1, recorded=seen_samples
    )
    table = learning.check(
        *networks,
        [font],
        settings,
        tmp_path / "clips",
        workers=1,
        recorded=seen_samples,
        held_out=unseen_samples,
    )
    assert [row[:2] for row in table.rows] == [
        ("TimGM6mb.sf2, seen", "12 of 3"),
        ("TimGM6mb.sf2, held out", "8 of 2"),
        ("recorded, learnt from", "8 of 2"),
        ("recorded, held out", "8 of 2"),
    ]
    assert all(0 <= cell.value <= 1 for row in table.rows for cell in row[2:] if cell != "-")
    kinds = [f"nearest, {kind}" for kind in (codecs.DEFAULT, "spectral", "new", "in a room")]
    assert table.header[3:] == ("nearest", *kinds, "deceived ↓", "program", "family")
    assert table.rows[1][-2] == "-" and table.rows[2][-2:] == ("-", "-")
    _, header = checkpoint.load(tmp_path / "out" / "timbre.safetensors", timbre.KIND)
    assert header["soundfonts"] == [["TimGM6mb.sf2", soundfont.fingerprint(font)]]
    assert (
        header["instruments"] == 5 and header["clips"] == 20 + 3 * 5
    )  # a clip of each instrument through each codec
    assert [name for name, _ in header["recorded"]] == ["library/harp", "library/oboe"]
    assert header["settings"]["codecs"] == [codecs.DEFAULT, "spectral", "new"]
    fitted = classifier.load(tmp_path / "out" / "classifier.safetensors")
    assert set(fitted.programs) == {0, 40, 56, 128, 129} and not set(fitted.programs) & set(HELD_OUT)


def recorded(folder, *names):
    """A library of tones; the last of them is held out, and the trombone by its name."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for key, note in ((60, "C4"), (64, "E4")):
            time = np.arange(RATE) / RATE
            tone = sum(np.sin(2 * np.pi * k * temperament.hertz(key) * time) / k**number for k in range(1, 9))
            soundfile.write(folder / name / f"{name}_{note}.wav", 0.5 * tone / np.abs(tone).max(), RATE)
    return renditions.recorded([folder], [folder / names[-1]], real.is_held_out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--soundfont", "none.sf2"], "none.sf2"),
        (["--harden", "none.safetensors"], "none.safetensors"),
        (["--samples", "none"], "none: no such library"),
        (["--only-check", "--out", "runs/timbre"], "runs/timbre/timbre.safetensors: no such file"),
    ],
)
def test_what_is_missing_ends_at_once_with_exit_code_2(
    run, tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.setenv("MSDAE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        run("train_metrics", *arguments, "--clips-folder", tmp_path / "clips")
    assert ended.value.code == 2 and message in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.safetensors"))
