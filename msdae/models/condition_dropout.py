"""What training does to the denoiser's conditions: it drops codes, adds noise to them, and drops tokens.

In all functions, `draws` is the `msdae.data.draws.Draws` of the batch.
"""

from collections.abc import Sequence
from typing import Any

import torch

from msdae.models.config import ModelConfig

NO_TOKENS = 0.1  # share of the clips that keep no token
FEWEST = 0.1  # smallest share of its tokens that any other clip keeps, on average


def dropped_levels(draws: Any, pooled: Sequence[bool], config: ModelConfig) -> torch.Tensor:
    """Which codes are replaced by null codes: (batch, levels) bool.

    Without `config.dropped`, each level is dropped by itself, as often as `config.dropout` says. With it,
    three shares of the clips lose something: the first loses all levels, the second the pooled levels
    (timbre), and the third levels that are not pooled (content): half of these clips lose all of them, the
    other half loses one.
    """
    if not config.dropped:
        return draws.uniform(len(pooled)) < config.dropout
    everything, timbre, content = config.dropped
    share, choice = draws.uniform(2)[..., None].unbind(1)  # (batch, 1)
    is_pooled = torch.tensor(pooled, device=share.device)
    number = (~is_pooled).cumsum(dim=0) - 1  # of a level among those that are not pooled
    count = len(pooled) - sum(pooled)
    # a choice below a half names one level of content, from a half on it means all
    one_or_all = (choice >= 0.5) | ((2 * count * choice).long() == number)
    of_content = (share >= everything + timbre) & (share < everything + timbre + content)
    lost = torch.where(is_pooled, share < everything + timbre, of_content & one_or_all)
    return (share < everything) | lost


def with_noise(
    draws: Any, codes: Sequence[torch.Tensor], pooled: Sequence[bool], deviation: float
) -> list[torch.Tensor]:
    """The codes, with noise on those that are not pooled.

    deviation: deviation of the noise, in multiples of the root mean square of each code frame; 0: no noise.
    """
    if not deviation:
        return list(codes)
    return [
        code if is_pooled else code + deviation * _rms(code) * draws.normal(*code.shape[1:])
        for code, is_pooled in zip(codes, pooled, strict=True)
    ]


def kept_tokens(draws: Any, tokens: int) -> torch.Tensor:
    """Which tokens the denoiser is given: a random share of each clip's, (batch, tokens) bool."""
    share = draws.uniform(1)
    share = torch.where(share < NO_TOKENS, 0, FEWEST + (1 - FEWEST) * share)
    return draws.uniform(tokens) < share


def _rms(code: torch.Tensor) -> torch.Tensor:
    """Root mean square of each frame: (batch, channels, frames) -> (batch, 1, frames)"""
    return code.detach().square().mean(dim=1, keepdim=True).sqrt()
