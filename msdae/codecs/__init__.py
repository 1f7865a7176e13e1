"""Codecs by name: `load("spectral-neural")`, `load("music2latent")`, or the path of a trained codec."""

from importlib.resources import as_file, files
from pathlib import Path

import torch

from msdae import checkpoint
from msdae.codecs import neural
from msdae.codecs import pca as spectral
from msdae.codecs.base import Codec
from msdae.errors import UserError

DEFAULT = neural.NeuralCodec.name
NAMES = (DEFAULT, spectral.SpectralCodec.name, "music2latent")
SHIPPED = {neural.NeuralCodec.name: neural, spectral.SpectralCodec.name: spectral}

__all__ = ["DEFAULT", "NAMES", "Codec", "load"]


def load(name_or_path: str, device: str | torch.device = "cpu") -> Codec:
    """The codec `name_or_path`, ready to use on `device`.

    name_or_path: "spectral-neural" or "spectral" (both in the package), "music2latent" (needs its weights),
        or a file that experiments/train_codec.py wrote.

    Raises:
        UserError: neither a known name nor a file, a damaged file, or missing weights.
    """
    if name_or_path in SHIPPED:
        with as_file(files("msdae") / "assets" / f"{name_or_path}.safetensors") as path:
            codec = SHIPPED[name_or_path].load(path)
    elif name_or_path == "music2latent":
        from msdae.codecs import music2latent

        codec = music2latent.load()
    elif Path(name_or_path).exists():
        codec = _file(name_or_path)
    else:
        known = " or ".join(NAMES)
        raise UserError(f"codec '{name_or_path}': neither a file nor a codec's name ({known})")
    return codec.to(device).eval()


def _file(path: str) -> Codec:
    return (neural if checkpoint.kind_of(path) == neural.KIND else spectral).load(path)
