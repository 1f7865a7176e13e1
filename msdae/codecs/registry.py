"""The registry of codecs by name."""

from msdae import folders
from msdae.registry import Registry

DEFAULT = "spectral-neural"
CODECS: Registry[type] = Registry("codec", "msdae.codecs", "name")


def shipped() -> list[str]:
    """The names of the codecs whose weights are in the package."""
    return [name for name in CODECS if (folders.ASSETS / f"{name}.safetensors").is_file()]
