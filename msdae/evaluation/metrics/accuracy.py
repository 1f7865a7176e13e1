"""How well the learnt metrics tell instruments apart: shares of clips that are put right."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from msdae.evaluation.metrics import impostors
from msdae.evaluation.metrics.classifier import Classifier
from msdae.evaluation.metrics.renditions import Renditions
from msdae.evaluation.metrics.timbre import Timbre
from msdae.symbolic.instruments import family

BATCH = 64  # clips embedded at once


@dataclass(frozen=True)
class Accuracy:
    """Shares from 0 to 1 of the clips of one set.

    triplet: of triplets in which two clips of one instrument, of different pieces, are nearer than a third
        one of another instrument.
    nearest: of clips whose instrument's mean embedding, over its clips of other pieces, is the nearest one.
    changed: `nearest` of altered clips, as through a codec, compared with the means of the unaltered ones.
    deceived: of clips with the spectral envelope of another instrument (`impostors`), taken for that one.
    """

    triplet: float
    nearest: float
    changed: Mapping[str, float]
    deceived: float


def of(network: Timbre, clips: Renditions, changed: Mapping[str, Renditions]) -> Accuracy:
    """How well `network` tells the instruments of `clips` apart.

    changed: such clips by what was done to them, as the name of a codec that they went through.
    """
    points = _embed(network, clips)

    def nearest(some: Renditions) -> float:
        return nearest_accuracy(points, clips, _embed(network, some), some)

    return Accuracy(
        triplet_accuracy(points, clips.instruments, clips.pieces),
        nearest_accuracy(points, clips, points, clips),
        {name: nearest(some) for name, some in changed.items()},
        nearest(impostors.of(clips)),
    )


def triplet_accuracy(points: np.ndarray, instruments: np.ndarray, pieces: np.ndarray) -> float:
    """Share of all triplets of `points` (clips, dim) in the right order; averaged over anchors, ties half."""
    similarity = points @ points.T
    shares = []
    for row, instrument, piece in zip(similarity, instruments, pieces, strict=True):
        positives = row[(instruments == instrument) & (pieces != piece)]
        negatives = np.sort(row[instruments != instrument])
        if len(positives) and len(negatives):
            below = [np.searchsorted(negatives, positives, side) for side in ("left", "right")]
            shares.append(np.mean(below) / len(negatives))
    return float(np.mean(shares))


def nearest_accuracy(
    references: np.ndarray, reference_clips: Renditions, points: np.ndarray, clips: Renditions
) -> float:
    """Share of `points` (clips, dim) whose nearest mean of the instruments' `references` is the right one.

    The means for a point leave out the references of its own piece. Both sets number instruments alike.
    """
    right = []
    for piece in np.unique(clips.pieces):
        others = reference_clips.pieces != piece
        choices = np.unique(reference_clips.instruments[others])
        means = np.stack(
            [references[others & (reference_clips.instruments == number)].mean(axis=0) for number in choices]
        )
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        asked = clips.pieces == piece
        answers = choices[(points[asked] @ means.T).argmax(axis=1)]
        right += (answers == clips.instruments[asked]).tolist()
    return float(np.mean(right))


@torch.inference_mode()
def classified(network: Classifier, clips: Renditions) -> tuple[float, float]:
    """Shares of `clips` whose program, and whose instrument family, `network` names."""
    programs = [program for some in clips.mels.split(BATCH) for program in network.answers(some.float())]
    families = [
        family(program) == family(true)
        for program, true in zip(programs, clips.programs.tolist(), strict=True)
    ]
    return float(np.mean(np.array(programs) == clips.programs)), float(np.mean(families))


@torch.inference_mode()
def _embed(network: Timbre, clips: Renditions) -> np.ndarray:
    return torch.cat([network(some.float()) for some in clips.mels.split(BATCH)]).numpy()
