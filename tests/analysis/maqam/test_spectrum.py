import numpy as np
import pytest
import torch

from msdae.analysis.maqam import spectrum

RATE = 16000


def tones(*pairs, seconds=4.0):
    time = torch.arange(round(seconds * RATE)) / RATE
    return sum(level * torch.sin(2 * torch.pi * hertz * time) for hertz, level in pairs)


def test_dominant_frequencies_are_exact_and_in_order():
    hertz, decibels = spectrum.spectrogram(tones((220.4, 0.5), (331.7, 0.3), (500, 0.001)), RATE)
    assert decibels.max() == pytest.approx(0, abs=1e-5) and hertz[0] >= 55 and hertz[-1] <= 1500
    peaks = spectrum.dominant(hertz, spectrum.cleaned(decibels, 40, 1))
    assert [round(frequency, 1) for frequency, _ in peaks[:2]] == pytest.approx([220.4, 331.7], abs=0.4)
    assert all(abs(frequency - 500) > 5 for frequency, _ in peaks)  # 54 dB below
    quiet = spectrum.dominant(hertz, spectrum.cleaned(decibels, 80, 1))
    assert any(abs(frequency - 500) < 1 for frequency, _ in quiet)
    cents, levels = spectrum.cents(peaks[:1])
    assert cents[0] == pytest.approx(6900 - 1200 + 3.1, abs=4) and levels[0] == 1


def test_nothing_is_dominant_in_silence():
    hertz, decibels = spectrum.spectrogram(torch.zeros(3 * RATE), RATE)
    assert np.isfinite(decibels).all()
    assert len(spectrum.cents([])[0]) == 0
