"""Tokens: the moments of a sound as an unordered set of vectors, which the denoiser attends to."""

from typing import NamedTuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange

from msdae.nn.encoders import PatchTrunk
from msdae.nn.layers import group_norm, normal, zero_init

SILENCE = 0.01  # share of the loudest token's loudness below which a token says nothing


class Tokens(NamedTuple):
    """A set of tokens for each clip.

    values: (batch, channels, tokens). weights: (batch, tokens), 0 or more. The weights of one sound sum to 1;
    the null token, which the model adds to each set, always has weight 1.
    """

    values: torch.Tensor
    weights: torch.Tensor

    def to(self, device: torch.device) -> "Tokens":
        """The tokens on `device`, in float32."""
        return Tokens(self.values.to(device, torch.float32), self.weights.to(device, torch.float32))

    def mixed(self, other: "Tokens", strength: float) -> "Tokens":
        """Both sets as one, in which the weights of `other` have the share `strength`, from 0 to 1."""
        if strength in (0, 1):
            return other if strength else self
        weights = [(1 - strength) * self.weights, strength * other.weights]
        return Tokens(torch.cat([self.values, other.values], dim=2), torch.cat(weights, dim=1))

    def padded(self, tokens: int) -> "Tokens":
        """The set filled up to `tokens` tokens with tokens of no weight."""
        missing = tokens - self.values.shape[2]
        return Tokens(F.pad(self.values, (0, missing)), F.pad(self.weights, (0, missing)))


def weights_of(loudness: torch.Tensor, kept: torch.Tensor | None = None) -> torch.Tensor:
    """Weights that are equal for all tokens of a set that are not silent, and sum to 1: (batch, tokens).

    loudness: how loud each token is, (batch, tokens). kept: which tokens may have a weight, (batch, tokens)
    bool; in a set of which none is kept, all weights are 0.
    """
    heard = loudness >= SILENCE * loudness.amax(dim=1, keepdim=True).clamp_min(1e-8)
    heard = heard if kept is None else heard & kept
    return heard / heard.sum(dim=1, keepdim=True).clamp_min(1)


def gathered(values: torch.Tensor, loudness: torch.Tensor, most: int) -> Tokens:
    """The tokens of all windows of one recording as one set, thinned evenly to `most` at most.

    values: (windows, channels, tokens). loudness: (windows, tokens).
    """
    values, loudness = rearrange(values, "w c t -> c (w t)"), loudness.flatten()
    heard = weights_of(loudness[None])[0].nonzero()[:, 0]
    if len(heard) > most:
        heard = heard[torch.linspace(0, len(heard) - 1, most, device=heard.device).round().long()]
    count = max(1, len(heard))
    return Tokens(values[None, :, heard], torch.full((1, len(heard)), 1 / count, device=values.device))


class TokenEncoder(nn.Module):
    """Turns a log-mel into tokens: a `PatchTrunk`, whose feature frames become normalised vectors.

    Args:
        mean, std: mean and deviation of each band, (bands,) each.
        hidden: number of features of the trunk.
        patch: mel frames of a token.
        channels: channels of a token.

    Attributes:
        null: the token that is added to each set, and is alone where no sound is given, (channels, 1).
    """

    def __init__(self, mean: torch.Tensor, std: torch.Tensor, hidden: int, patch: int, channels: int):
        super().__init__()
        self.trunk = PatchTrunk(mean, std, hidden, patch)
        self.project = nn.Conv1d(hidden, channels, 1)
        self.null = nn.Parameter(normal(channels, 1))

    def forward(self, mel: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """mel: x3, (batch, bands, mel frames) -> tokens (batch, channels, mel frames / patch), and how loud
        each of them is, (batch, mel frames / patch)"""
        values = normalised(self.project(self.trunk(mel)))
        loudness = torch.expm1(self.trunk.padded(mel)).mean(dim=1, keepdim=True)
        return values, F.avg_pool1d(loudness, self.trunk.frames)[:, 0]


def normalised(values: torch.Tensor) -> torch.Tensor:
    """Tokens scaled to mean 0 and variance 1 over their channels: (batch, channels, tokens) -> the same"""
    return F.layer_norm(values.transpose(1, 2), values.shape[1:2]).transpose(1, 2)


class CrossAttention(nn.Module):
    """Lets features attend to tokens, which serve as keys and values themselves; it starts as a no-op.

    Every head reads whole tokens. The usual projections of keys and values are left to the projections of
    queries and of the output, so that tokens are computed once, however many layers attend to them.

    Args:
        width: channels of the features.
        channels: channels of a token.
        heads: number of attention heads.
    """

    def __init__(self, width: int, channels: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = group_norm(width)
        self.queries = nn.Conv1d(width, heads * channels, 1)
        self.output = zero_init(nn.Conv1d(heads * channels, width, 1))

    def forward(self, x: torch.Tensor, values: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """x: (batch, width, frames), values: (batch, channels, tokens), bias: (batch, tokens), which is added
        to the logits -> as x"""
        queries = rearrange(self.queries(self.norm(x)), "b (h c) f -> b (h f) c", h=self.heads)
        logits = torch.bmm(queries, values) * values.shape[1] ** -0.5
        attention = (logits.float() + bias[:, None]).softmax(dim=-1).to(values.dtype)
        read = torch.bmm(attention, values.transpose(1, 2))
        return x + self.output(rearrange(read, "b (h f) c -> b (h c) f", h=self.heads))
