"""Which plain sound should play a score that is the melody source: the one that gives the best swaps."""

from collections.abc import Sequence

import numpy as np
import torch

from msdae.evaluation.swapbench.cases import CLIP_SAMPLES, Case
from msdae.evaluation.swapbench.run import batches, render
from msdae.evaluation.swapbench.scores import melody_and_timbre
from msdae.evaluation.swapbench.systems import CaseBatch, Model
from msdae.evaluation.tables import Table, counted, mean_cell
from msdae.inference.pipeline import Pipeline
from msdae.progress import Progress, silent
from msdae.synthesis.players import PLAYER, PLAYERS, play

ORIGINAL = "the case's own instrument"
LEVELS = (1,)


def measure(
    pipeline: Pipeline,
    group: Sequence[Case],
    players: Sequence[str] = PLAYERS,
    command: str = "",
    progress: Progress = silent,
) -> Table:
    """A table of the melody F1 and timbre of swaps, by the player of the melody source.

    group: cases; their own instrument is the first row. players: plain sounds, the other rows.

    Raises:
        UserError: no such player, or as `run.render`.
    """
    scores: dict[str, list[tuple[float, float, float]]] = {name: [] for name in (ORIGINAL, *players)}
    system = Model("model", pipeline, [LEVELS])
    with progress(total=len(scores) * len(group), desc="swaps", unit="swap") as bar:
        for some in batches(group):
            timbre, melody, truth = render(some)
            for name in scores:
                if name != ORIGINAL:
                    played = [play(case.melody.notes, CLIP_SAMPLES, name) for case in some]
                    melody = torch.stack(played)
                swapped = system.swap(CaseBatch(some, timbre, melody, truth), LEVELS)
                scores[name] += melody_and_timbre(some, swapped)
                bar.update(len(some))
    pieces = [case.melody.piece for case in group]
    rows = [
        (name, *(mean_cell(column, pieces) for column in np.array(values).T))
        for name, values in scores.items()
    ]
    return Table(
        f"What should play scores: {group[0].split} split",
        ("melody source played by", "melody F1 ↑", "timbre top-1 ↑", "probability of the right timbre ↑"),
        tuple(rows),
        f"Swaps of level 1, {counted(len(group), 'melody', 'melodies')}, one seed; means with bootstrap "
        f"95 % intervals over pieces. Scores are played by: {PLAYER}.",
        command,
    )
