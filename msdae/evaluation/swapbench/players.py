"""How a score should be played that is the melody source: by which plain sound, and in how many voices."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from msdae.audio import SAMPLE_RATE
from msdae.audio.resample import resampled
from msdae.evaluation.swapbench import sounds
from msdae.evaluation.swapbench.cases import CLIP_SAMPLES, Case
from msdae.evaluation.swapbench.run import batches, render
from msdae.evaluation.swapbench.scores import melody_and_timbre
from msdae.evaluation.swapbench.systems import CaseBatch, Model
from msdae.evaluation.tables import Table, counted, mean_cell
from msdae.inference.pipeline import Pipeline
from msdae.inference.settings import VOICES
from msdae.inference.sources import PlayedScore
from msdae.progress import Progress, silent
from msdae.symbolic.notes import Note
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

    pipeline: reads no notes. group: cases; their own instrument is the first row. players: plain sounds, the
        other rows.

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
    title = f"What should play scores: {group[0].split} split"
    return _table(
        title, "melody source played by", scores, group, f"Scores are played by: {PLAYER}.", command
    )


def measure_voices(
    pipelines: Mapping[int, Pipeline], group: Sequence[Case], command: str = "", progress: Progress = silent
) -> Table:
    """A table of the melody F1 and timbre of swaps of scores, by the number of voices rendered apart.

    pipelines: {number of voices at most: pipeline}. group: cases whose melodies have several notes at once.

    Raises:
        UserError: as `sounds.play` and `Pipeline.swap`.
    """
    scores: dict[str, list[tuple[float, float, float]]] = {}
    for case in progress(group, desc="scores", unit="score"):
        timbre = sounds.play(case.timbre)
        notes = tuple(Note(*note) for note in case.melody.notes)
        for number, pipeline in pipelines.items():
            score = PlayedScore(Path(case.id), SAMPLE_RATE, notes)
            swapped = pipeline.swap(timbre, score, LEVELS, sample_rate=SAMPLE_RATE)
            swapped = resampled(swapped, pipeline.sample_rate, SAMPLE_RATE)[:CLIP_SAMPLES]
            clip = F.pad(swapped, (0, CLIP_SAMPLES - len(swapped)))[None]
            name = f"at most {number}" if number > 1 else "all notes in one"
            scores.setdefault(name, []).extend(melody_and_timbre([case], clip))
    title = f"Voices of scores: {group[0].split} split"
    return _table(title, "voices", scores, group, f"Scores have at most {VOICES}.", command)


def measure_reading(
    pipelines: Mapping[str, Pipeline],
    groups: Mapping[str, Sequence[Case]],
    command: str = "",
    progress: Progress = silent,
) -> Table:
    """A table of the melody F1 and timbre of swaps, by what is encoded of the recordings of melodies.

    pipelines: {what is encoded: pipeline}. groups: {kind of melodies: cases}, with as many cases each.

    Raises:
        UserError: as `run.render`.
    """
    scores: dict[str, list[tuple[float, float, float]]] = {}
    every = [case for group in groups.values() for case in group]
    with progress(total=len(pipelines) * len(every), desc="recordings", unit="swap") as bar:
        for kind, group in groups.items():
            for some in batches(group):
                batch = CaseBatch(some, *render(some))
                for name, pipeline in pipelines.items():
                    swapped = Model("model", pipeline, [LEVELS]).swap(batch, LEVELS)
                    scores.setdefault(f"{kind}, {name}", []).extend(melody_and_timbre(some, swapped))
                    bar.update(len(some))
    title = f"Reading recordings: {every[0].split} split"
    return _table(title, "melodies", scores, group, "The notes of recordings are read.", command)


def _table(
    title: str,
    column: str,
    scores: Mapping[str, Sequence[tuple[float, float, float]]],
    group: Sequence[Case],
    taken: str,
    command: str,
) -> Table:
    """A table of scores, {row: (melody F1, top-1, probability) of each case}. taken: what is the default."""
    pieces = [case.melody.piece for case in group]
    rows = [
        (name, *(mean_cell(values, pieces) for values in np.array(each).T)) for name, each in scores.items()
    ]
    return Table(
        title,
        (column, "melody F1 ↑", "timbre top-1 ↑", "probability of the right timbre ↑"),
        tuple(rows),
        f"Swaps of level 1, {counted(len(group), 'melody', 'melodies')}, one seed; means with bootstrap "
        f"95 % intervals over pieces. {taken}",
        command,
    )
