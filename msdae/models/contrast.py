"""The contrastive objective between two excerpts of one sound."""

import torch
import torch.nn.functional as F


def info_nce(
    anchors: torch.Tensor,
    positives: torch.Tensor,
    negatives: torch.Tensor | None = None,
    same: torch.Tensor | None = None,
    temperature: float = 0.1,
) -> torch.Tensor:
    """Cross-entropy of finding each anchor's own positive among all positives and negatives, by cosine.

    anchors, positives: (batch, channels); negatives: (any, channels);
    same: (batch, batch + any) bool, candidates that are no negatives of an anchor (of the same sound).
    Returns (batch,), in nats. Source: van den Oord et al. 2018, eq. 4.
    """
    candidates = positives if negatives is None else torch.cat([positives, negatives])
    logits = F.normalize(anchors, dim=1) @ F.normalize(candidates, dim=1).T / temperature
    targets = torch.arange(len(anchors), device=anchors.device)
    if same is not None:
        same = same.scatter(1, targets[:, None], False)
        logits = logits.masked_fill(same, -torch.inf)
    return F.cross_entropy(logits, targets, reduction="none")
