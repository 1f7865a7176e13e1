"""Priors measured by their codes only, without rendering, which is fast enough to compare many settings."""

from collections.abc import Sequence

import numpy as np
import torch

from msdae.data.pieces import Piece
from msdae.errors import UserError
from msdae.evaluation.metrics.frechet import fad
from msdae.models.priors.base import Condition, Prior
from msdae.models.priors.settings import PriorSampling

POINTS = 1500  # drawn points that are compared, at least


def distance(
    prior: Prior, pieces: Sequence[Piece], sampling: PriorSampling, points: int = POINTS, seed: int = 0
) -> float:
    """The Fréchet distance of drawn codes to those of pieces, both standardised.

    A point is made of all codes in one step of the grid.

    points: how many are drawn, at least.

    Raises:
        UserError: there are no pieces as long as a step.
    """
    generator = torch.Generator().manual_seed(seed)
    size = prior.size(sampling)
    codes = prior.sample(size, Condition(), generator, None, sampling, -(-points * prior.grid.step // size))
    return fad(_held_out(prior, pieces), _rows(prior, prior.grid.spread(codes, size)))


def _held_out(prior: Prior, pieces: Sequence[Piece]) -> np.ndarray:
    rows = []
    for piece in pieces:
        frames = piece.frames // prior.grid.step * prior.grid.step
        if not frames:
            continue
        codes = {k: timbres.mean(dim=0)[None, :, None] for k, timbres in piece.timbres.items()}
        for level, code in piece.melody.items():
            codes[level] = code[None, :, : frames // prior.grid.levels[level - 1].frames]
        rows.append(_rows(prior, prior.grid.spread(codes, frames)))
    if not rows:
        raise UserError("no held-out recording with sound to compare with; give others with --data")
    return np.concatenate(rows)


def _rows(prior: Prior, x: torch.Tensor) -> np.ndarray:
    """(batch, channels, frames) -> (points, dim), standardised; a point is a step of the grid."""
    step = prior.grid.step
    x = prior.standardised(x.to(prior.mean)).cpu()[..., : x.shape[-1] // step * step]
    parts = torch.cat(x.split(step, dim=-1))
    return torch.cat([code.flatten(1) for code in prior.grid.gather(parts).values()], dim=1).double().numpy()
