import pytest

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
