"""Texts as vectors that priors read: requests for music, and captions of recordings."""

from collections.abc import Mapping
from typing import Any

import torch

from msdae.nn.text import CHANNELS, text_encoder
from msdae.symbolic.captions import Traits, captions, require_request, traits

CAPTIONS = 6  # for each recording


def asked(text: str) -> torch.Tensor:
    """The vector of a text that asks for music, (1, numbers), of unit variance.

    Raises:
        UserError: the text is empty, too long, not English or asks for two values of a trait that has one;
            the text encoder is not installed.
    """
    encoder = text_encoder()
    vector = _vectors([text])  # raises first for what is no text at all
    require_request(text, encoder.pieces)
    return vector


def described(labels: Mapping[str, Any]) -> torch.Tensor:
    """Vectors of captions for a recording with these labels, (captions, numbers); one of zeros if none fits.

    Raises:
        UserError: the text encoder is not installed.
    """
    clip = traits(labels)
    if clip == Traits():
        return torch.zeros(1, CHANNELS)
    name = f"{labels.get('stem', '')} {labels.get('piece', '')}"
    return _vectors(captions(clip, CAPTIONS, name))


def _vectors(texts: list[str]) -> torch.Tensor:
    return text_encoder().encode(texts).vectors.clone() * CHANNELS**0.5
