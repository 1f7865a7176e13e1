"""Excerpts of recordings that are measured."""

import weakref
from pathlib import Path

import numpy as np
import torch

from msdae.data.sources import ClipLength, SourceFile
from msdae.evaluation.priors import samples


def test_of_recordings_only_the_excerpts_stay_in_memory(monkeypatch):
    read, held = [], []

    def sound(file, clip, rate):
        held.append(sum(array() is not None for array in read))
        array = np.full(10 * rate, 0.1, np.float32)
        read.append(weakref.ref(array))
        return torch.from_numpy(array)

    monkeypatch.setattr(samples, "sound", sound)
    files = [SourceFile(f"{number}", Path(f"{number}.wav"), 10) for number in range(6)]
    found = samples.excerpts("held out", files, 1.0, 100, 6, ClipLength(100, 100))
    assert found.waveforms.shape == (6, 100)
    assert max(held) <= 1  # the last one read
