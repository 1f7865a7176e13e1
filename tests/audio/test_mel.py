import numpy as np
import pytest
import torch
from nnAudio.features.mel import MelSpectrogram
from nnAudio.utils import get_mel

from msdae.audio.mel import LogMel, MelConfig, hertz_to_mel, mel_to_hertz, scale
from msdae.errors import UserError


def test_shapes_and_values():
    waveform = torch.randn(2, 131072, generator=torch.Generator().manual_seed(0)) * 0.1
    mel = LogMel()(waveform)
    assert mel.shape == (2, 128, 512) and mel.min() >= 0
    assert [scale(mel, halvings).shape[1:] for halvings in (2, 1, 0)] == [(32, 128), (64, 256), (128, 512)]


@pytest.mark.parametrize("n_fft", [1024, 2048])
def test_equals_nnaudio(n_fft):
    config = MelConfig(n_fft=n_fft)
    waveform = torch.randn(1, 32768, generator=torch.Generator().manual_seed(0)) * 0.1
    reference = MelSpectrogram(
        44100, n_fft, n_mels=config.bands, hop_length=config.hop, power=1.0, norm=None, verbose=False
    )(waveform)[..., :128]
    expected = torch.log1p(config.gain * reference)
    torch.testing.assert_close(LogMel(config)(waveform), expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(
    ("rate", "n_fft", "bands"), [(44100, 2048, 128), (48000, 1024, 64), (16000, 512, 80)]
)
def test_filters_are_nnaudios(rate, n_fft, bands):
    config = MelConfig(sample_rate=rate, n_fft=n_fft, bands=bands)
    expected = torch.from_numpy(get_mel(rate, n_fft, bands, norm=None))
    torch.testing.assert_close(LogMel(config).filters, expected, rtol=0, atol=1e-6)


def test_the_mel_scale_goes_both_ways():
    hertz = np.array([0.0, 100.0, 999.0, 1000.0, 1001.0, 20000.0])
    np.testing.assert_allclose(mel_to_hertz(hertz_to_mel(hertz)), hertz)
    assert hertz_to_mel(1000.0) == pytest.approx(15)


def test_pyramid_is_an_average():
    mel = torch.rand(1, 8, 16)
    coarse = scale(mel, 1)
    torch.testing.assert_close(coarse[0, 1, 2], mel[0, 2:4, 4:6].mean())
    torch.testing.assert_close(scale(mel, 2).mean(), mel.mean())


def test_too_short():
    with pytest.raises(UserError, match="shorter than half an FFT window"):
        LogMel()(torch.zeros(1, 400))


@pytest.mark.parametrize(("hop", "fitted"), [(4096, 256), (512, 128), (2048, 256), (1920, 240), (600, 150)])
def test_the_hop_fits_the_codec(hop, fitted):
    mel = MelConfig().fitted(48000, hop)
    assert (mel.sample_rate, mel.hop, mel.n_fft) == (48000, fitted, 2048) and hop % (fitted * 4) == 0
    assert mel.fitted(48000, hop) == mel  # the model's settings, fitted once more when data is prepared
    assert MelConfig().fitted(44100, 4096) == MelConfig()
    assert MelConfig().fitted(16000, 480).n_fft == 1024  # about as long in seconds


def test_a_codec_whose_hop_cannot_be_halved_is_refused():
    with pytest.raises(UserError, match="codec hop of 882"):
        MelConfig().fitted(44100, 882)
