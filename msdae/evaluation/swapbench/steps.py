"""What fewer evaluations of the network cost: swaps of equal noise by a model's student and by samplers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from msdae.diffusion.samplers import evaluations
from msdae.evaluation.metrics.bootstrap import interval, interval_of
from msdae.evaluation.swapbench.cases import Case
from msdae.evaluation.swapbench.run import batches, render
from msdae.evaluation.swapbench.scores import melody_and_timbre
from msdae.evaluation.swapbench.systems import CODEC, Batch, Bounds, Model, Output
from msdae.evaluation.swapbench.tables import swap_score
from msdae.evaluation.tables import EMPTY, Cell, Table, Value
from msdae.inference.pipeline import Pipeline, Sampling
from msdae.inference.settings import NEVER
from msdae.models.student import Student
from msdae.progress import Progress, silent

STUDENT, LEVELS = "student", (1,)
REFERENCE = "dpmpp_2m, 20 steps"
FEW = (1, 2, 4, 8)  # steps of a student
STEPS = {"dpmpp_2m": (4, 8, 12, 20, 40), "heun": (2, 4, 10, 20)}  # by sampler
COUNT, PANELS = "evaluations", ("melody F1 ↑", "timbre top-1 ↑", "swap score ↑")


@dataclass(frozen=True)
class Way:
    """A row: how it samples, and by which student, if by any."""

    sampling: Sampling
    student: Student | None = None


def ways(students: Mapping[str, Student]) -> dict[str, Way]:
    """What is compared: the steps of each student, by its name, and of each sampler, from noise on."""
    compared = {}
    for name, student in students.items():
        for steps in FEW:
            compared[f"{name}, {steps} steps"] = Way(Sampling(steps=steps, draft=NEVER), student)
    for sampler, counts in STEPS.items():
        for steps in counts:
            compared[f"{sampler}, {steps} steps"] = Way(Sampling(steps, sampler, draft=NEVER))
    return compared


def cost(pipeline: Pipeline, sampling: Sampling) -> int:
    """How often a window goes through the network: one time, or one a guided level more, in each evaluation.

    sampling: of the student without a sampler, else of the model itself.
    """
    if sampling.sampler is None:
        return evaluations("euler", sampling.steps)
    guided = sum(weight != 1 for weight in pipeline.model.guidance_weights(sampling.guidance))
    return evaluations(sampling.sampler, sampling.steps) * (1 + guided)


def measure(
    pipeline: Pipeline,
    group: Sequence[Case],
    compared: Mapping[str, Way],
    seed: int = 0,
    command: str = "",
    progress: Progress = silent,
) -> Table:
    """Melody F1, timbre and swap score of swaps of level 1 by each of `compared`, and how far F1 and top-1
    are from `REFERENCE`'s, where that is one.

    seed: of the noise, which is the same for all. The pipeline has another sampling and student afterwards.
    """
    scores: dict[str, list[tuple[float, float, float]]] = {name: [] for name in (CODEC, *compared)}
    system, codec = Model("model", pipeline, [LEVELS]), Bounds(pipeline.codec, pipeline.device)
    with progress(total=len(scores) * len(group), desc="swaps", unit="swap") as bar:
        for some in batches(group):
            batch = Batch(some, *render(some))
            for name in scores:
                scores[name] += melody_and_timbre(some, _output(name, batch, system, codec, compared, seed))
                bar.update(len(some))
    columns = {name: np.array(rows) for name, rows in scores.items()}
    pieces = [case.melody.piece for case in group]
    rows = [
        (name, Value(cost(pipeline, way.sampling), digits=0), *_cells(columns, name, pieces))
        for name, way in compared.items()
    ]
    rows.append((CODEC, EMPTY, *_cells(columns, CODEC, pieces)[:3], EMPTY, EMPTY))
    differences = [f"{name}, less {REFERENCE}" for name in ("F1", "top-1")]
    splits = ", ".join(dict.fromkeys(case.split for case in group))
    return Table(
        "Quality over evaluations of the network",
        ("sampler", COUNT, *PANELS, *differences),
        tuple(rows),
        f"Swaps of level 1, {len(group)} melodies of {splits}, the same noise for all rows; means with "
        "bootstrap 95 % intervals over pieces, differences paired. Evaluations are of a window, those of "
        "guidance counted.",
        command,
    )


def _output(
    name: str, batch: Batch, system: Model, codec: Bounds, compared: Mapping[str, Way], seed: int
) -> torch.Tensor:
    if name == CODEC:
        return codec.render(batch, Output(CODEC))
    system.pipeline.student = compared[name].student
    system.pipeline.sampling = replace(compared[name].sampling, seed=seed)
    return system.swap(batch, LEVELS)


def _cells(columns: dict[str, np.ndarray], name: str, pieces: Sequence[str]) -> list[Cell]:
    """F1, top-1, the swap score and the two differences of a row."""
    f1, top1, _ = columns[name].T
    together = np.stack([f1, top1, *columns[CODEC].T[:2]], axis=1)
    value = float(swap_score(together.mean(axis=0)[None])[0])
    cells: list[Cell] = [_value(f1, pieces), _value(top1, pieces)]
    cells.append(Value(value, *interval_of(swap_score, together, pieces), digits=3))
    if REFERENCE not in columns or name == REFERENCE:
        return [*cells, EMPTY, EMPTY]
    return [*cells, *(_value(column, pieces) for column in (columns[name] - columns[REFERENCE]).T[:2])]


def _value(column: np.ndarray, pieces: Sequence[str]) -> Value:
    return Value(float(column.mean()), *interval(column, pieces), digits=3)
