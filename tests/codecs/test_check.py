import pytest
import torch

from msdae import codecs
from msdae.codecs import check
from msdae.codecs import pca as spectral
from msdae.codecs.base import Codec
from msdae.errors import UserError


class Scaled(Codec):
    """Multiplies by a gain and nothing else."""

    name, channels, hop, sample_rate = "scaled", 1, 1, 44100

    def __init__(self, gain):
        super().__init__()
        self.gain = gain

    def encode(self, waveform):
        return waveform[:, None]

    def stream(self, latents):
        return (self.gain * z[:, 0] for z in latents)


def test_a_perfect_codec_is_at_zero(tune):
    assert check.check_round_trip(Scaled(1.0), tune) == 0


def test_a_doubled_waveform_is_about_six_decibels_away(tune):
    assert check.check_round_trip(Scaled(2.0), tune) == pytest.approx(6.02, abs=0.5)


def test_the_fitted_codec_passes(tune):
    codec = codecs.load("spectral")
    distance = check.check_round_trip(codec, tune)
    check.require_reconstruction(codec, distance)
    assert distance < 7


def test_an_unfitted_codec_stops_the_run(tune):
    fitted = codecs.load("spectral")
    random = torch.randn(fitted.prediction.shape, generator=torch.Generator().manual_seed(0))
    random = random * fitted.prediction.std()
    unfitted = spectral.SpectralCodec(fitted.config, fitted.mean, fitted.components, fitted.weight, random)
    with pytest.raises(UserError, match="'spectral' does not reconstruct: .* dB"):
        check.require_reconstruction(unfitted, check.check_round_trip(unfitted, tune))


@pytest.mark.parametrize("gain", [0.0, float("nan")])
def test_silence_and_nan_from_a_codec_stop_the_run(tune, gain):
    codec = Scaled(gain)
    with pytest.raises(UserError, match="does not reconstruct"):
        check.require_reconstruction(codec, check.check_round_trip(codec, tune))


def test_silent_clips_are_left_out(tune):
    both = torch.cat([tune, torch.zeros_like(tune)])
    assert check.check_round_trip(Scaled(2.0), both) == check.check_round_trip(Scaled(2.0), tune)


def test_only_silence_cannot_be_measured():
    with pytest.raises(UserError, match="silent"):
        check.check_round_trip(Scaled(1.0), torch.zeros(1, 8192))


def test_the_distance_grows_with_the_error(melody):
    sound = melody(2.0)
    distances = [check.check_round_trip(Scaled(gain), sound) for gain in (1.1, 1.5, 3.0)]
    assert distances == sorted(distances)
