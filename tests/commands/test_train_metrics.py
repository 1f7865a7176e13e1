import os
import subprocess
import sys
from pathlib import Path

import pytest

from msdae import checkpoint, codecs
from msdae.evaluation.metrics import classifier, learning, renditions, timbre
from msdae.symbolic import instruments
from msdae.symbolic.instruments import HELD_OUT, seen
from msdae.synthesis import soundfont

SCRIPT = Path(__file__).parents[2] / "experiments" / "train_metrics.py"


def test_fits_writes_and_reports(tmp_path, monkeypatch):
    monkeypatch.setattr(renditions, "PIECES", 2)
    monkeypatch.setattr(renditions, "NOTE_EVERY", 1)  # single notes alone: nothing to parse
    few = [instrument for instrument in seen() if instrument.program in (0, 40, 56)]
    held_out = [instrument for instrument in instruments.unseen() if instrument.program in (42, 75)]
    monkeypatch.setattr(instruments, "seen", lambda: few)
    monkeypatch.setattr(instruments, "unseen", lambda: held_out)
    settings = learning.MetricConfig(clips=4, coded=1, references=4, checked=1, steps=3)
    font = str(soundfont.default())
    networks = learning.fit([font], settings, tmp_path / "clips", tmp_path / "out", workers=1)
    table = learning.check(*networks, [font], settings, tmp_path / "clips", workers=1)
    assert [row[:2] for row in table.rows] == [
        ("TimGM6mb.sf2, seen", "12 of 3"),
        ("TimGM6mb.sf2, held out", "8 of 2"),
    ]
    assert all(0 <= cell.value <= 1 for row in table.rows for cell in row[2:] if cell != "-")
    assert f"nearest, {codecs.DEFAULT}" in table.header and codecs.DEFAULT in table.note
    assert table.rows[1][5] == "-"
    _, header = checkpoint.load(tmp_path / "out" / "timbre.safetensors", timbre.KIND)
    assert header["soundfonts"] == [["TimGM6mb.sf2", soundfont.fingerprint(font)]]
    assert (
        header["instruments"] == 3 and header["clips"] == 12 + 2 * 3
    )  # a clip of each instrument through each codec
    fitted = classifier.load(tmp_path / "out" / "classifier.safetensors")
    assert set(fitted.programs) == {0, 40, 56} and not set(fitted.programs) & set(HELD_OUT)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--soundfont", "none.sf2"], "none.sf2"),
        (["--only-check", "--out", "runs/timbre"], "runs/timbre/timbre.safetensors: no such file"),
    ],
)
def test_what_is_missing_ends_at_once_with_exit_code_2(tmp_path, arguments, message):
    command = [sys.executable, str(SCRIPT), *arguments, "--clips-folder", str(tmp_path / "clips")]
    environment = {**os.environ, "MSDAE_HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.safetensors"))
