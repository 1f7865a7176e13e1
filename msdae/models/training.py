"""What conditions are like in training: some dropped, codes with noise, some of the tokens.

draws: `msdae.data.draws.Draws` of the batch, everywhere.
"""

from collections.abc import Sequence
from typing import Any

import torch

from msdae.models.config import ModelConfig

NO_TOKENS = 0.1  # share of the clips that have a code of level 1 and no tokens
FEWEST = 0.1  # share of the tokens that the others have at the least, on average


def drops(draws: Any, pooled: Sequence[bool], config: ModelConfig) -> torch.Tensor:
    """Which codes are replaced by null codes: (batch, levels) bool, by `dropped` or else by `dropout`."""
    if not config.dropped:
        return draws.uniform(len(pooled)) < config.dropout
    everything, timbre, content = config.dropped
    chosen, which = draws.uniform(2).unbind(1)
    others, columns = len(pooled) - sum(pooled), []
    for steady in pooled:
        if steady:
            lost = (chosen >= everything) & (chosen < everything + timbre)
        else:  # of a half all levels of the content are dropped, of the rest one of them
            place = sum(not earlier for earlier in pooled[: len(columns)])
            lost = (which >= 0.5) | ((2 * others * which).long() == place)
            lost &= (chosen >= everything + timbre) & (chosen < everything + timbre + content)
        columns.append((chosen < everything) | lost)
    return torch.stack(columns, dim=1)


def noisy(
    draws: Any, codes: Sequence[torch.Tensor], pooled: Sequence[bool], deviation: float
) -> list[torch.Tensor]:
    """The codes with noise on those that are not pooled, of so many times their frames' root mean square."""
    if not deviation:
        return list(codes)
    return [
        code if steady else code + deviation * _size(code) * draws.normal(*code.shape[1:])
        for code, steady in zip(codes, pooled, strict=True)
    ]


def some(draws: Any, tokens: int) -> torch.Tensor:
    """Which of the tokens of each clip are given to the denoiser: (batch, tokens) bool, of any share."""
    share = draws.uniform(1)
    share = torch.where(share < NO_TOKENS, 0, FEWEST + (1 - FEWEST) * share)
    return draws.uniform(tokens) < share


def _size(code: torch.Tensor) -> torch.Tensor:
    return code.detach().square().mean(dim=1, keepdim=True).sqrt()
