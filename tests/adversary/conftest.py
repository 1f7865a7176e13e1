import copy
import dataclasses
import os
import sys
from pathlib import Path

import pytest
import torch

os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported
sys.path.insert(0, str(Path(__file__).parent))  # the cases and what runs them import each other by name

from msdae import codecs, folders
from msdae.checkpoint import fingerprint
from msdae.inference import unknown
from msdae.models.autoencoder import EMBEDDED, Autoencoder
from msdae.training import lesson, sound

WHOLE = os.environ.get("MSDAE_ADVERSARY") == "whole"


@pytest.fixture(scope="session")
def warm():
    """What is the same for all cases is loaded once: packages, the model and the codec that ship."""
    import importlib

    import librosa

    from msdae import commands

    for name in commands.names():
        importlib.import_module(f"msdae.commands.{name.replace('-', '_')}")
    librosa.pyin(torch.sin(torch.arange(8192) / 10).numpy(), fmin=100, fmax=2000, sr=44100)  # is compiled
    return Autoencoder.load(EMBEDDED), codecs.load(codecs.DEFAULT)


@pytest.fixture(scope="session")
def distance():
    """`unknown.distance`, which is a function of its arguments' values: computed once for each."""
    distances = {}

    def known(pipeline, waveform):
        student = fingerprint(pipeline.student.state_dict(), {}) if pipeline.student else ""
        settings = {"": f"{pipeline.sampling} {pipeline.model.config} {pipeline.codec.fingerprint} {student}"}
        key = fingerprint({**pipeline.model.state_dict(), "sound": waveform}, settings)
        if key not in distances:
            distances[key] = compute(pipeline, waveform)
        return distances[key]

    compute = unknown.distance
    return known


@pytest.fixture
def place(tmp_path, monkeypatch, warm, distance):
    """An empty working folder, with the data and runs of msdae in `home` beside it.

    Unless all is tried, a sound is learnt from an eighth of the excerpts, for as many steps, and one that the
    model does not know in two steps.
    """
    model, codec = warm
    load, codec_load, cache = Autoencoder.load, codecs.load, folders.cache()

    def shipped_model(path):
        return copy.deepcopy(model) if str(path) == str(EMBEDDED) else load(path)

    def shipped_codec(name, device="cpu"):
        return copy.deepcopy(codec).to(device) if str(name) == codecs.DEFAULT else codec_load(name, device)

    monkeypatch.setattr(Autoencoder, "load", staticmethod(shipped_model))
    monkeypatch.setattr(codecs, "load", shipped_codec)
    monkeypatch.setattr(unknown, "distance", distance)
    if not WHOLE:
        monkeypatch.setattr(lesson, "BRIEF", dataclasses.replace(lesson.BRIEF, steps=2))
        for learning in (sound, lesson):
            monkeypatch.setattr(learning, "excerpts", fewer(learning.excerpts))
    folder, home = tmp_path / "place", tmp_path / "home"
    folder.mkdir()
    (home / "data").mkdir(parents=True)
    cache.mkdir(parents=True, exist_ok=True)
    (home / "data" / "cache").symlink_to(cache)  # pieces of the corpus that were read before
    monkeypatch.setenv("MSDAE_HOME", str(home))
    monkeypatch.chdir(folder)
    return folder


def fewer(excerpts):
    return lambda sources, codec, log_mel, config, *rest: excerpts(
        sources, codec, log_mel, dataclasses.replace(config, excerpts=config.excerpts // 8), *rest
    )


COUNTS = {"inputs": "inputs tried", "mutated": "mutated files", "kills": "kills"}  # properties of tests


def pytest_terminal_summary(terminalreporter):
    reports = [report for name in ("passed", "failed") for report in terminalreporter.stats.get(name, [])]
    counts = dict.fromkeys(COUNTS, 0)
    for name, value in (entry for report in reports for entry in report.user_properties):
        if name in counts:
            counts[name] += value
    if any(counts.values()):
        terminalreporter.write_line(", ".join(f"{COUNTS[name]}: {count}" for name, count in counts.items()))
