import numpy as np
import pytest
import torch
import torchaudio

from msdae.evaluation.metrics import mfcc

DIVISORS = [60, 30, 25, 20, 15, 15, 12, 12, 10, 10, 10, 10]


def directly(waveform, rate):
    """As the measure is written down, by librosa."""
    librosa = pytest.importorskip("librosa")
    sound = torchaudio.functional.resample(waveform, rate, 22050).numpy()
    frames = librosa.feature.mfcc(y=sound, sr=22050, n_mfcc=13, n_fft=2048, hop_length=512)[1:]
    level = librosa.feature.rms(y=sound, frame_length=2048, hop_length=512)[0]
    return frames[:, level >= 0.1 * level.max()].mean(axis=1)


@pytest.fixture
def sounds():
    """A decaying sawtooth, and noise that begins after a pause."""
    time = torch.arange(44100) / 44100
    saw = (time * 220 % 1 - 0.5) * torch.exp(-3 * time)
    noise = torch.randn(44100, generator=torch.Generator().manual_seed(0)) * (time > 0.4)
    return saw, 0.1 * noise


def test_it_equals_a_direct_computation(sounds):
    one, other = (directly(sound, 44100) for sound in sounds)
    for sound, expected in zip(sounds, (one, other), strict=True):
        np.testing.assert_allclose(mfcc.mean_mfcc(sound, 44100), expected, atol=2e-3)
    one, other = one / DIVISORS, other / DIVISORS
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    assert mfcc.similarity(*sounds, 44100) == pytest.approx(cosine, abs=1e-3)


def test_of_itself_louder_or_softer_and_of_silence(sounds):
    assert mfcc.similarity(sounds[0], 0.5 * sounds[0], 44100) == pytest.approx(1, abs=1e-3)
    assert mfcc.similarity(sounds[0], torch.zeros(44100), 44100) == 0.0
    assert np.isfinite(mfcc.mean_mfcc(torch.ones(1), 44100)).all()
