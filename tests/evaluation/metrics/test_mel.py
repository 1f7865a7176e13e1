import librosa
import numpy as np
import pytest
import torch

from msdae.evaluation.metrics.mel import HOP, SAMPLE_RATE, mel_db
from msdae.evaluation.metrics.timbre import mfcc

NOISE = 0.1 * torch.randn(2, 20_000, generator=torch.Generator().manual_seed(0)).cumsum(dim=1).sin()


def test_mfcc_are_librosas_below_the_loudest_frame():
    mel = mel_db(NOISE, SAMPLE_RATE)
    for waveform, found in zip(NOISE.numpy(), mfcc(mel), strict=True):
        theirs = librosa.feature.mfcc(y=waveform, sr=SAMPLE_RATE, n_mfcc=20, hop_length=HOP)
        theirs[0] -= theirs[0].max()
        np.testing.assert_allclose(100 * found, theirs, atol=0.05)


def test_a_clip_does_not_depend_on_its_batch_or_level():
    pair = torch.stack([NOISE[0], 0.01 * NOISE[1]])
    together = mel_db(pair, SAMPLE_RATE)
    torch.testing.assert_close(together[:1], mel_db(pair[:1], SAMPLE_RATE))
    torch.testing.assert_close(mfcc(together[1:]), mfcc(mel_db(NOISE[1:], SAMPLE_RATE)), atol=1e-3, rtol=0)


@pytest.mark.parametrize("sample_rate", [22050, 44100, 48000])
def test_the_same_sound_at_another_rate(sample_rate):
    def sines(rate):
        time = torch.arange(rate) / rate
        return torch.stack([torch.sin(2 * torch.pi * hertz * time) for hertz in (220, 880, 3000)]).sum(dim=0)

    found = mfcc(mel_db(sines(sample_rate)[None], sample_rate))[0, :, 4:28]
    expected = mfcc(mel_db(sines(SAMPLE_RATE)[None], SAMPLE_RATE))[0, :, 4:28]
    assert (found - expected).abs().max() < 0.05 * expected.abs().max()


def test_silence_has_no_spectrum():
    assert mfcc(mel_db(torch.zeros(1, 8000), 44100)).abs().max() < 1e-4
