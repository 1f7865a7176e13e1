"""A causal transformer: attention to what came before, with rotary positions and a cache for sampling."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from msdae.nn.transformer import RotaryPositions, rotated

BASE = 10_000.0  # of the wavelengths of positions, in tokens
# Keys and values of each layer, (batch, heads, length, width of a head) each.
Cache = list[tuple[torch.Tensor, torch.Tensor]]


class CausalTransformer(nn.Module):
    """Pre-norm blocks of attention and an MLP (GPT-2), with rotary positions (Su et al. 2021).

    Args:
        width: of the features. layers, heads: of them. dropout: after each branch, in training.
    """

    def __init__(self, width: int, layers: int, heads: int, dropout: float):
        super().__init__()
        self.blocks = nn.ModuleList(_Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.positions = RotaryPositions(width // heads, BASE)

    def forward(self, x: torch.Tensor, cache: Cache | None = None) -> torch.Tensor:
        """x: (batch, length, width) -> the same.

        cache: keys and values of the tokens before x, which this call extends by those of x; [] at first.
        """
        past = cache[0][0].shape[2] if cache else 0
        angles = self.positions(x, past)
        for number, block in enumerate(self.blocks):
            before = cache[number] if cache is not None and len(cache) > number else None
            x, seen = block(x, angles, before)
            if cache is not None:
                cache[number : number + 1] = [seen]
        return self.norm(x)


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend = nn.Linear(width, 3 * width, bias=False)
        self.join = nn.Linear(width, width, bias=False)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: torch.Tensor,
        angles: tuple[torch.Tensor, torch.Tensor],
        before: tuple[torch.Tensor, torch.Tensor] | None,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        parts = self.attend(self.norm1(x)).unflatten(-1, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # (batch, heads, length, width of a head)
        query, key = rotated(query, angles), rotated(key, angles)
        if before is not None:
            key, value = torch.cat([before[0], key], dim=2), torch.cat([before[1], value], dim=2)
        if before is not None and x.shape[1] > 1:
            length, past = x.shape[1], key.shape[2] - x.shape[1]
            mask = torch.ones(length, past + length, dtype=torch.bool, device=x.device).tril(past)
            heard = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        else:
            heard = F.scaled_dot_product_attention(query, key, value, is_causal=before is None)
        x = x + self.dropout(self.join(heard.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.mlp(self.norm2(x))), (key, value)
