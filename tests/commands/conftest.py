"""What the tests of command lines that render share: two recordings, and how they are run."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sounds(tmp_path):
    """A stereo timbre source at 48 kHz and a longer melody source at 22.05 kHz."""
    generator = np.random.default_rng(0)
    soundfile.write(tmp_path / "a.wav", 0.2 * generator.standard_normal((48000, 2)), 48000)
    melody = 0.3 * np.sin(2 * np.pi * 330 * np.arange(80_001) / 22050)
    soundfile.write(tmp_path / "b.flac", melody, 22050)
    return tmp_path / "a.wav", tmp_path / "b.flac"


@pytest.fixture
def run(monkeypatch):
    """A function that runs a script of experiments/ as a user does: run("swap", "--timbre", ...)."""

    def script(name, *arguments):
        path = ROOT / "experiments" / f"{name}.py"
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
        runpy.run_path(str(path), run_name="__main__")

    return script
