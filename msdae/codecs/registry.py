"""Which codecs there are, by name."""

from importlib import resources

from msdae.registry import Registry

DEFAULT = "spectral-neural"
CODECS: Registry[type] = Registry("codec", "msdae.codecs")


def shipped() -> list[str]:
    """The names of the codecs whose weights are in the package."""
    assets = resources.files("msdae") / "assets"
    return [name for name in CODECS if (assets / f"{name}.safetensors").is_file()]
