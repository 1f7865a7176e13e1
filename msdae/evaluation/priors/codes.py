"""Priors measured by their codes alone, without rendering: fast enough for many settings."""

from collections.abc import Sequence

import numpy as np
import torch

from msdae.data.pieces import Piece
from msdae.evaluation.metrics.kernel import kad
from msdae.models.priors.base import Condition, Prior
from msdae.models.priors.settings import Manner

FRAMES = 32  # of the windows that are compared
MOST = 400  # windows


def distance(
    prior: Prior, pieces: Sequence[Piece], manner: Manner, windows: int = 128, seed: int = 0
) -> float:
    """KAD of `windows` drawn windows of codes against those of pieces, standardised."""
    generator = torch.Generator().manual_seed(seed)
    size = prior.size(manner)
    codes = prior.sample(size, Condition(), generator, None, manner, -(-windows * FRAMES // size))
    return kad(_held_out(prior, pieces), _rows(prior, prior.grid.spread(codes, size)))


def _held_out(prior: Prior, pieces: Sequence[Piece]) -> np.ndarray:
    rows = []
    for piece in pieces:
        frames = piece.frames // FRAMES * FRAMES
        if not frames:
            continue
        codes = {k: timbres.mean(dim=0)[None, :, None] for k, timbres in piece.timbres.items()}
        for level, code in piece.melody.items():
            codes[level] = code[None, :, : frames // prior.grid.levels[level - 1].frames]
        rows.append(_rows(prior, prior.grid.spread(codes, frames)))
    stacked = np.concatenate(rows)
    return stacked[np.linspace(0, len(stacked) - 1, min(MOST, len(stacked))).round().astype(int)]


def _rows(prior: Prior, x: torch.Tensor) -> np.ndarray:
    """(batch, channels, frames) -> (windows, numbers), standardised."""
    x = ((x - prior.mean) / prior.std)[..., : x.shape[-1] // FRAMES * FRAMES]
    parts = torch.cat(x.split(FRAMES, dim=-1))
    return torch.cat([code.flatten(1) for code in prior.grid.gather(parts).values()], dim=1).double().numpy()
