"""Codecs by name: `load("spectral")`, `load("music2latent")`, or the path of a fitted spectral codec."""

from importlib.resources import as_file, files
from pathlib import Path

import torch

from msdae.codecs import spectral
from msdae.codecs.base import Codec
from msdae.errors import UserError

NAMES = ("spectral", "music2latent")

__all__ = ["NAMES", "Codec", "load"]


def load(name_or_path: str, device: str | torch.device = "cpu") -> Codec:
    """The codec `name_or_path`, ready to use on `device`.

    name_or_path: "spectral" (fitted, in the package), "music2latent" (needs its weights), or a file that
        experiments/train_codec.py wrote.

    Raises:
        UserError: neither a known name nor a file, a damaged file, or missing weights.
    """
    if name_or_path == "spectral":
        with as_file(files("msdae") / "assets" / "spectral.safetensors") as path:
            codec = spectral.load(path)
    elif name_or_path == "music2latent":
        from msdae.codecs import music2latent  # heavy, and an extra

        codec = music2latent.load()
    elif Path(name_or_path).exists():
        codec = spectral.load(name_or_path)
    else:
        known = " or ".join(NAMES)
        raise UserError(f"codec '{name_or_path}': neither a file nor a codec's name ({known})")
    return codec.to(device).eval()
