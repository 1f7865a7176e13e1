"""msdae: take recordings apart into time scales and put them back together."""

__version__ = "0.1.0"
