"""A diffusion transformer: attention over patches of time, with adaptive norm and rotary positions.

Source: Peebles and Xie 2023, "Scalable Diffusion Models with Transformers"; one modulation that all blocks
share, with an offset for each, as Chen et al. 2024, "PixArt-alpha".
"""

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange

from msdae.nn.layers import NoiseEmbedding, normal, zero_init

BASE = 1000.0  # of the wavelengths of positions, in patches


class DiT(nn.Module):
    """F(c_in x; c_noise, conditions) over patches of frames.

    Args:
        inputs, outputs: channels of an input frame and of an output frame.
        width: number of features. layers: number of blocks. heads: attention heads of a block.
        patch: frames of a patch.
        facts: size of the vector of facts about the whole input, such as its place in a piece.
        text: size of a text's vector, which becomes a token of its own; 0: there are no texts.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int,
        layers: int,
        heads: int,
        patch: int,
        facts: int,
        text: int,
    ):
        super().__init__()
        self.patch = patch
        self.embed = NoiseEmbedding(width)
        self.facts = nn.Sequential(nn.Linear(facts, width), nn.SiLU(), zero_init(nn.Linear(width, width)))
        self.enter = nn.Linear(patch * inputs, width)
        self.text = nn.Linear(text, width) if text else None
        self.modulation = nn.Sequential(nn.SiLU(), zero_init(nn.Linear(width, 6 * width)))
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.last = nn.Sequential(nn.SiLU(), zero_init(nn.Linear(width, 2 * width)))
        self.head = zero_init(nn.Linear(width, patch * outputs))
        self.positions = RotaryPositions(width // heads, BASE)

    def forward(
        self, x: torch.Tensor, c_noise: torch.Tensor, facts: torch.Tensor, text: torch.Tensor | None = None
    ) -> torch.Tensor:
        """x: (batch, inputs, frames), c_noise: (batch,), facts: (batch, facts), text: (batch, text), zeros
        where there is none -> (batch, outputs, frames). frames: a multiple of `patch`."""
        condition = self.embed(c_noise) + self.facts(facts)
        tokens = self.enter(rearrange(x, "b c (n p) -> b n (c p)", p=self.patch))
        if self.text is not None and text is not None:
            said = self.text(text)
            condition = condition + said
            tokens = torch.cat([said[:, None], tokens], dim=1)
        parts = rearrange(self.modulation(condition), "b (six w) -> six b 1 w", six=6)
        angles = self.positions(tokens)
        for block in self.blocks:
            tokens = block(tokens, parts, angles)
        shift, scale = self.last(condition)[:, None].chunk(2, dim=-1)
        patches = self.head(torch.addcmul(shift, self.norm(tokens), 1 + scale))
        frames = patches[:, -(x.shape[-1] // self.patch) :]
        return rearrange(frames, "b n (c p) -> b c (n p)", p=self.patch)


class _Block(nn.Module):
    """Attention and an MLP. The scale and shift of the norm before each, and the gate after it, follow from
    the conditions."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.offsets = nn.Parameter(normal(6, 1, 1, width, scale=width**-0.5))
        self.attend = nn.Linear(width, 3 * width, bias=False)
        self.join = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(
        self, x: torch.Tensor, parts: torch.Tensor, angles: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        shift, scale, gate, shift_mlp, scale_mlp, gate_mlp = parts + self.offsets
        heard = self._attention(torch.addcmul(shift, self.norm(x), 1 + scale), angles)
        x = torch.addcmul(x, gate, heard)
        return torch.addcmul(x, gate_mlp, self.mlp(torch.addcmul(shift_mlp, self.norm(x), 1 + scale_mlp)))

    def _attention(self, x: torch.Tensor, angles: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        query, key, value = rearrange(
            self.attend(x), "b n (three h w) -> three b h n w", three=3, h=self.heads
        )
        heard = F.scaled_dot_product_attention(rotated(query, angles), rotated(key, angles), value)
        return self.join(rearrange(heard, "b h n w -> b n (h w)"))


class RotaryPositions(nn.Module):
    """The angles by which `rotated` turns the features of each place.

    Args:
        width: channels of a head. base: ratio of the longest wavelength to the shortest, about.
    """

    def __init__(self, width: int, base: float):
        super().__init__()
        self.register_buffer("frequencies", base ** -(torch.arange(0, width, 2) / width), persistent=False)

    def forward(self, x: torch.Tensor, first: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines for tokens x, (batch, tokens, any), whose first is at place `first`: (tokens,
        width / 2) each."""
        places = torch.arange(first, first + x.shape[1], device=x.device, dtype=torch.float32)
        angles = places[:, None] * self.frequencies
        return angles.cos().to(x.dtype), angles.sin().to(x.dtype)


def rotated(x: torch.Tensor, angles: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """x, (..., places, width), with pairs of features turned by their place's angles (Su et al. 2021)."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = angles
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)
