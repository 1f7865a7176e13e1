"""How well the learnt metrics tell instruments apart, as shares of clips that they get right."""

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
    """Accuracies on one set of clips, as shares from 0 to 1.

    triplet: share of the triplets (two clips of one instrument, but of different pieces, and a clip of
        another instrument) in which the two of one instrument are nearer to each other.
    nearest: share of the clips to which the mean embedding of their own instrument, over its clips of other
        pieces, is the nearest.
    changed: {alteration: `nearest` of the altered clips, such as those decoded by a codec, compared with the
        means of the unaltered ones}.
    deceived: share of the clips with the spectral envelope of another instrument (`impostors`) that are taken
        for that instrument.
    """

    triplet: float
    nearest: float
    changed: Mapping[str, float]
    deceived: float


def of(network: Timbre, clips: Renditions, changed: Mapping[str, Renditions]) -> Accuracy:
    """How well `network` tells the instruments of `clips` apart.

    changed: {alteration: altered clips}, such as the name of a codec and the clips decoded by it.
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
    """Share of the triplets of `points` (clips, dim) in the right order; mean over anchors, ties are half."""
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
    """Share of `points` (clips, dim) whose nearest instrument, by the mean of its `references`, is right.

    The means for a point leave out the references of its own piece.

    references: (reference clips, dim). reference_clips, clips: labels of both sets, in which an instrument
        has the same number.
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
    """Shares of `clips` for which `network` names the right program, and the right instrument family."""
    programs = [program for some in clips.mels.split(BATCH) for program in network.answers(some.float())]
    families = [
        family(program) == family(true)
        for program, true in zip(programs, clips.programs.tolist(), strict=True)
    ]
    return float(np.mean(np.array(programs) == clips.programs)), float(np.mean(families))


@torch.inference_mode()
def _embed(network: Timbre, clips: Renditions) -> np.ndarray:
    return torch.cat([network(some.float()) for some in clips.mels.split(BATCH)]).numpy()
