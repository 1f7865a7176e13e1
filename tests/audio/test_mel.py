import pytest
import torch
from nnAudio.features.mel import MelSpectrogram

from msdae.audio.mel import LogMel, MelConfig, scale
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
