"""Building blocks of networks: norms, blocks, initial weights, and mixing along time or between codes."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange


def group_norm(channels: int, **options) -> nn.GroupNorm:
    """GroupNorm with groups of at least eight channels, at most 32 groups."""
    groups = max(1, min(32, channels // 8))
    while channels % groups:
        groups -= 1
    return nn.GroupNorm(groups, channels, **options)


def normal(*shape: int, scale: float = 1.0) -> torch.Tensor:
    """Normal numbers of the deviation `scale`; on the meta device, an empty tensor of that shape.

    Torch would draw numbers even there, by its compiler, whose import takes a second.
    """
    empty = torch.empty(*shape)
    return empty if empty.is_meta else scale * empty.normal_()


def stretch(x: torch.Tensor, frames: int) -> torch.Tensor:
    """x: (batch, channels, any) -> (batch, channels, frames), linear interpolation along time."""
    if x.shape[-1] == frames:
        return x
    return F.interpolate(x, size=frames, mode="linear")


def slerp(a: torch.Tensor, b: torch.Tensor, strength: float) -> torch.Tensor:
    """From `a` (strength 0) to `b` (1): each frame's direction turns evenly, its length changes linearly.

    a, b: (batch, channels, frames) -> the same. Where the two frames have the same or opposite directions, or
    one is zero, they are mixed linearly. Source: Shoemake 1985, "Animating rotation with quaternion curves".
    """
    if strength in (0, 1):
        return b if strength else a
    first, second = (x.norm(dim=1, keepdim=True) for x in (a, b))
    angle = torch.acos(F.cosine_similarity(a, b, dim=1)[:, None].clamp(-1, 1))
    turns = (torch.sin(angle) > 1e-3) & (first * second > 0)
    sine = torch.where(turns, torch.sin(angle), 1.0)
    direction = torch.sin((1 - strength) * angle) / sine * F.normalize(a, dim=1)
    direction = direction + torch.sin(strength * angle) / sine * F.normalize(b, dim=1)
    return torch.where(turns, direction * torch.lerp(first, second, strength), torch.lerp(a, b, strength))


class NoiseEmbedding(nn.Module):
    """c_noise: (batch,) -> (batch, width); random Fourier features and an MLP (EDM, "ncsn++")."""

    def __init__(self, width: int):
        super().__init__()
        self.register_buffer("frequencies", normal(width // 2))
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, c_noise: torch.Tensor) -> torch.Tensor:
        angles = 2 * torch.pi * c_noise[:, None] * self.frequencies
        return self.mlp(torch.cat([angles.cos(), angles.sin()], dim=1))


class AdaGN(nn.Module):
    """Adaptive group normalisation: GroupNorm, then scale and shift from the noise embedding."""

    def __init__(self, channels: int, embedding: int):
        super().__init__()
        self.norm = group_norm(channels, affine=False)
        self.affine = nn.Linear(embedding, 2 * channels)

    def forward(self, x: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        scale, shift = rearrange(self.affine(embedding), "b (two c) -> two b c 1", two=2)
        return torch.addcmul(shift, self.norm(x), 1 + scale)


class ResBlock(nn.Module):
    """norm, SiLU, conv, AdaGN, SiLU, conv, plus a 1x1 skip; the last conv starts at zero.

    x: (batch, inputs, frames), embedding: (batch, embedding) -> (batch, outputs, frames)
    """

    def __init__(self, inputs: int, outputs: int, embedding: int):
        super().__init__()
        self.norm1 = group_norm(inputs)
        self.conv1 = nn.Conv1d(inputs, outputs, 3, padding=1)
        self.norm2 = AdaGN(outputs, embedding)
        self.conv2 = zero_init(nn.Conv1d(outputs, outputs, 3, padding=1))
        self.skip = nn.Identity() if inputs == outputs else nn.Conv1d(inputs, outputs, 1)

    def forward(self, x: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h, embedding)))
        return self.skip(x) + h


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside the block, torch draws from `seed`; after it, its generator goes on as before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def zero_init(module: nn.Module) -> nn.Module:
    """`module` with its parameters set to zero: the branch that it ends starts as a no-op."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module
