"""How good the answers of a probe are, compared with the best constant answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from msdae.analysis.probes.fitting import LOSSES, Probe, constant
from msdae.analysis.probes.tasks import CLASSES, FRAMES
from msdae.evaluation.metrics.bootstrap import interval, interval_of

_THRESHOLDS = torch.linspace(-4, 2, 25)  # candidates for the logit above which an output counts as 1


@dataclass(frozen=True)
class Score:
    """The score and the loss of a probe on the tested clips, with 95 % intervals over groups.

    score, low, high: accuracy, R2 or F1, and its interval. floor: score of the best constant answer.
    loss, loss_low, loss_high: cross-entropy, squared error in standard deviations, or BCE, and its interval.
    loss_floor: loss of the best constant answer.
    explained: 1 - loss / loss_floor, at least 0: the share of the answer's information (for values, of its
        variance) that the probe reads, which is comparable between tasks.
    losses: of each clip, (clips,), in multiples of `loss_floor`.
    """

    score: float
    low: float | None
    high: float | None
    floor: float
    loss: float
    loss_low: float | None
    loss_high: float | None
    loss_floor: float
    explained: float
    losses: np.ndarray


def score(
    kind: str,
    probe: Probe,
    fit: tuple[torch.Tensor, torch.Tensor],
    test: tuple[torch.Tensor, torch.Tensor],
    groups: Sequence[str],
    seed: int = 0,
) -> Score:
    """Score `probe` on the features and targets `test`.

    fit: features and targets that the probe was fitted on. Its held-out clips determine the threshold of F1,
        all of them the best constant answer.
    groups: the group of each clip of `test`. seed: of the bootstrap.
    """
    (x_fit, y_fit), (x, y) = fit, test
    out = probe(x)
    prior = constant(kind, y_fit, out.shape[-1]).expand_as(out)
    losses, floors = (LOSSES[kind](answers, y).double().numpy() for answers in (out, prior))
    if kind == FRAMES:
        x_held, y_held = x_fit[probe.held_out], y_fit[probe.held_out]
        answered = out > best_threshold(probe(x_held), y_held)
        parts, floor_parts = _overlap(answered, y), _overlap(best_constant(y_fit).expand_as(y), y)
    elif kind == CLASSES:
        parts, floor_parts = _right(out, y), _right(prior, y)
    else:
        parts, floor_parts = (floors - losses, floors), (0 * floors, floors)
    low, high = interval_of(_ratio_of_means, np.stack(parts, axis=1), groups, seed=seed)
    loss_low, loss_high = interval(losses, groups, seed=seed)
    loss, loss_floor = float(losses.mean()), float(floors.mean())
    return Score(
        _ratio(*parts),
        low,
        high,
        _ratio(*floor_parts),
        loss,
        loss_low,
        loss_high,
        loss_floor,
        max(0.0, 1 - loss / loss_floor),
        losses / loss_floor,
    )


def best_threshold(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The threshold for the logits `out` that gives the highest F1 on `y`."""
    return max(_THRESHOLDS, key=lambda threshold: _ratio(*_overlap(out > threshold, y)))


def best_constant(y: torch.Tensor) -> torch.Tensor:
    """The constant answer with the highest F1 on `y` (clips, frames, outputs): bool (outputs,)."""
    rate, order = torch.sort(y.mean(dim=(0, 1)).double(), descending=True)
    answered = torch.arange(1, len(rate) + 1)
    f1 = 2 * rate.cumsum(0) / (answered + rate.sum())
    best = torch.zeros(len(rate), dtype=torch.bool)
    best[order[: int(f1.argmax()) + 1]] = True
    return best


Parts = tuple[np.ndarray, np.ndarray]  # of each clip; the score is the ratio of their sums


def _ratio(numerators: np.ndarray, denominators: np.ndarray) -> float:
    return float(numerators.sum() / max(denominators.sum(), np.finfo(float).tiny))


def _ratio_of_means(means: np.ndarray) -> np.ndarray:
    return means[:, 0] / np.maximum(means[:, 1], np.finfo(float).tiny)


def _right(out: torch.Tensor, y: torch.Tensor) -> Parts:
    right = (out.argmax(dim=-1) == y).double().numpy()
    return right, np.ones_like(right)


def _overlap(answered: torch.Tensor, y: torch.Tensor) -> Parts:
    """The parts of F1 for each clip: twice the hits, and the sum of what is answered and what is true."""
    hits = (answered & (y > 0)).sum(dim=(1, 2))
    return 2 * hits.double().numpy(), (answered.sum(dim=(1, 2)) + y.sum(dim=(1, 2))).double().numpy()
