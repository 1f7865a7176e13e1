"""Codecs, from waveforms to latents and back: `load("spectral-neural")`, `load("music2latent")` or a file."""

from typing import TYPE_CHECKING

from msdae.codecs.registry import CODECS, DEFAULT, shipped
from msdae.lazy import getter

if TYPE_CHECKING:
    from msdae.codecs.base import Codec, load

__all__ = ["CODECS", "Codec", "DEFAULT", "load", "shipped"]

__getattr__ = getter(
    __name__,
    {
        "Codec": "msdae.codecs.base:Codec",
        "load": "msdae.codecs.base:load",
    },
)
