"""A quick score of a model, on swaps of a few melodies, to choose between recipes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from msdae.errors import UserError
from msdae.evaluation.swapbench import cases, tables
from msdae.evaluation.swapbench.real import Library
from msdae.evaluation.swapbench.run import batches, render
from msdae.evaluation.swapbench.scores import melody_and_timbre
from msdae.evaluation.swapbench.systems import CODEC, Bounds, CaseBatch, Model, Output, System
from msdae.inference.pipeline import Pipeline

MELODIES = {"monophonic": 32, "two voices": 8, "polyphonic": 8}
Counts = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Quick:
    """How well a model swaps a few melodies.

    melody_f1: mean F1 of the notes heard in the swaps.
    timbre_top1: share of the swaps whose nearest instrument is the right one.
    score: the swap score, which is the harmonic mean of both as shares of what the codec reaches; 0 if the
        codec reaches nothing.
    """

    melody_f1: float
    timbre_top1: float
    score: float


def quick(
    pipeline: Pipeline,
    split: str = "valid",
    levels: tuple[int, ...] = (1,),
    counts: Mapping[str, int] = MELODIES,
    library: Library | None = None,
) -> Quick:
    """How well the pipeline swaps `levels` on a few melodies of `split`.

    counts: {texture: number of cases}. library: as in `sounds.play`.

    Raises:
        UserError: the model has no level beside `levels`, or as `cases.plan`.
    """
    system = Model("model", pipeline, [levels])
    if len(system.outputs) < 2:
        raise UserError(
            f"levels {levels}: this model has levels 1 to {pipeline.model.stage}, and one has to stay"
        )
    textures = tuple(counts.items())
    codec = pipeline.codec
    key = (codec.identity, str(pipeline.device), split, textures, library and library.fingerprint)
    if key not in _ceilings:
        _ceilings[key] = _scores(Bounds(codec, pipeline.device), Output(CODEC), split, textures, library)
    scores = _scores(system, system.outputs[1], split, textures, library)
    (score,) = tables.swap_score(np.array([[*scores, *_ceilings[key]]]))
    return Quick(*scores, float(np.nan_to_num(score)))


_ceilings: dict[tuple, tuple[float, float]] = {}  # scores of codecs' round trips of the truth


def _scores(
    system: System, output: Output, split: str, textures: Counts, library: Library | None
) -> tuple[float, float]:
    """Mean melody F1 and mean timbre top-1 of an output."""
    rows = []
    for group in batches(cases.plan(split, 0, dict(textures))):
        waveforms = system.render(CaseBatch(group, *render(group, library)), output)
        rows += melody_and_timbre(group, waveforms, library)
    f1, top1, _ = np.mean(rows, axis=0)
    return float(f1), float(top1)
