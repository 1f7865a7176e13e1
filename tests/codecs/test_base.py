import pytest
import torch

from msdae import codecs
from msdae.codecs import music2latent
from msdae.errors import UserError


def test_an_unknown_name_is_an_error_with_the_known_ones():
    with pytest.raises(UserError, match="spectrall.*music2latent.*spectral"):
        codecs.load("spectrall")


def test_missing_weights_name_the_command_and_the_embedded_codec(monkeypatch, tmp_path):
    pytest.importorskip("music2latent")
    monkeypatch.delenv("MSDAE_MUSIC2LATENT", raising=False)
    monkeypatch.setattr(music2latent, "_stored_weights", lambda: None)
    with pytest.raises(
        UserError, match=r"hf download SonyCSLParis/music2latent music2latent.pt(.|\n)*'spectral-neural'"
    ):
        codecs.load("music2latent")


def test_two_codecs_with_files_of_one_kind_are_named(tmp_path, monkeypatch):
    """Regression: the one whose name came last read the files of both."""
    path = tmp_path / "c.safetensors"
    codecs.load("spectral").save(path)
    mine = type("Mine", (type(codecs.load("spectral")),), {"name": "whistle"})  # `kind` is inherited
    monkeypatch.setitem(codecs.CODECS._entries, "whistle", mine)
    with pytest.raises(UserError, match="c.safetensors: holds a .*, which spectral and whistle both call"):
        codecs.load(path)
    assert type(codecs.load("spectral")) is not mine


def test_a_codec_around_a_network_of_another_library_has_an_identity():
    """Regression: SwapBench ended with a traceback where `config` was what that library calls so."""

    class Wrapped(codecs.Codec):
        name, channels, hop, sample_rate, fingerprint = "wrapped", 2, 4, 8000, "wrapped-1"

        def __init__(self, config):
            super().__init__()
            self.config, self.layer = config, torch.nn.Linear(2, 2)

        def encode(self, waveform):
            raise NotImplementedError

        def stream(self, latents):
            raise NotImplementedError

    codec = Wrapped({"rate": 8000})
    before = codec.identity
    codec.layer.weight.data += 1
    assert before != codec.identity


# -- what every codec that ships promises


@pytest.fixture(scope="module", params=codecs.shipped())
def shipped(request):
    return codecs.load(request.param)


def test_has_the_geometry_of_music2latent(shipped):
    assert (shipped.channels, shipped.hop, shipped.sample_rate) == (64, 4096, 44100)


@pytest.mark.parametrize("samples", [1, 4095, 4096, 4097, 32 * 4096])
def test_gives_exactly_the_frames_it_announces(shipped, tune, samples):
    z = shipped.encode(tune[:, :samples])
    assert z.shape == (1, 64, -(-samples // 4096)) == (1, 64, shipped.frames(samples))
    assert shipped.decode(z).shape == (1, z.shape[-1] * 4096)


def test_refuses_no_samples(shipped):
    with pytest.raises(UserError, match="without samples"):
        shipped.encode(torch.zeros(1, 0))


def test_silence_stays_silent(shipped):
    assert shipped.decode(shipped.encode(torch.zeros(1, 65536))).abs().max() < 2e-3


def test_any_latents_give_finite_sound(shipped):
    assert shipped.decode(torch.full((1, 64, 3), 1e4)).isfinite().all()
