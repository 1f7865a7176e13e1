"""Waveform to latents and back: `load("spectral-neural")`, `load("music2latent")`, or a codec's file."""

from msdae.codecs.base import CODECS, DEFAULT, Codec, load, shipped

__all__ = ["CODECS", "DEFAULT", "Codec", "load", "shipped"]
