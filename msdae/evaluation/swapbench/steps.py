"""What fewer network evaluations cost in quality: swaps from equal noise by students and by samplers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from msdae.audio.files import SAMPLE_RATE
from msdae.diffusion.samplers import evaluations
from msdae.evaluation.metrics import embeddings
from msdae.evaluation.metrics.bootstrap import interval_of
from msdae.evaluation.metrics.kernel import kad
from msdae.evaluation.swapbench.cases import Case
from msdae.evaluation.swapbench.real import Library
from msdae.evaluation.swapbench.run import batches, render
from msdae.evaluation.swapbench.scores import melody_and_timbre
from msdae.evaluation.swapbench.systems import CODEC, TRUTH, Bounds, CaseBatch, Model, Output
from msdae.evaluation.swapbench.tables import swap_score
from msdae.evaluation.tables import EMPTY, Cell, Table, Value, counted, mean_cell
from msdae.inference.pipeline import Pipeline, Sampling
from msdae.inference.settings import NEVER
from msdae.models.student import Student
from msdae.progress import Progress, silent

STUDENT, LEVELS = "student", (1,)
REFERENCE = "dpmpp_2m, 20 steps"
FEW = (1, 2, 4, 8)  # numbers of steps of a student
STEPS = {"dpmpp_2m": (2, 4, 8, 12, 20, 40), "heun": (2, 4, 10, 20)}  # {sampler: numbers of steps}
OPPOSITE = {"dpmpp_2m": (4, 8, 12)}  # the same for antithetic sampling, from opposite noise too
COUNT, PANELS = "evaluations", ("melody F1 ↑", "timbre top-1 ↑", "swap score ↑")
OTHERS = ("KAD ↓", "notes: swap score ↑")


@dataclass(frozen=True)
class Way:
    """A row: the sampling, and the student that renders, if any."""

    sampling: Sampling
    student: Student | None = None


def ways(students: Mapping[str, Student]) -> dict[str, Way]:
    """What is compared, by the name of the row: each student and each sampler at several numbers of steps.

    None of them learns a sound or reads the melody source.
    """
    antithetic = Sampling(learn=NEVER, transcription=NEVER)
    plain = replace(antithetic, antithetic=0.0)
    compared = {}
    for name, student in students.items():
        for kind, sampling in ((name, plain), (f"{name} antithetic", antithetic)):
            for steps in (few for few in FEW if few <= student.most):
                compared[f"{kind}, {steps} steps"] = Way(replace(sampling, steps=steps), student)
    for counts, sampling, kind in ((STEPS, plain, ""), (OPPOSITE, antithetic, " antithetic")):
        for sampler, several in counts.items():
            for steps in several:
                way = Way(replace(sampling, steps=steps, sampler=sampler))
                compared[f"{sampler}{kind}, {steps} steps"] = way
    return compared


def cost(pipeline: Pipeline, sampling: Sampling) -> int:
    """How often the network is applied to a window: for each evaluation once, and once for each guided level.

    sampling: without a sampler it is the student's (one application per step), else that of the model itself.
    """
    times = 2 if sampling.antithetic else 1
    if sampling.sampler is None:
        return times * evaluations("euler", sampling.steps)
    guided = sum(weight != 1 for weight in pipeline.model.guidance_weights(sampling.guidance))
    return times * evaluations(sampling.sampler, sampling.steps) * (1 + guided)


def measure(
    pipeline: Pipeline,
    group: Sequence[Case],
    compared: Mapping[str, Way],
    seed: int = 0,
    library: Library | None = None,
    command: str = "",
    progress: Progress = silent,
) -> Table:
    """A table of swaps of level 1 by each of `compared`: the melodies' F1, timbre, swap score and KAD, the
    swap score of single notes, and by how much F1 and top-1 differ from `REFERENCE`, if that is compared.

    The sampling and the student of `pipeline` are changed.

    group: the cases. seed: of the noise, which is the same for all. library: as in `sounds.play`.
    """
    scores: dict[str, list[tuple[float, float, float]]] = {name: [] for name in (CODEC, *compared)}
    points: dict[str, list[np.ndarray]] = {name: [] for name in (TRUTH, *scores)}
    system, codec = Model("model", pipeline, [LEVELS]), Bounds(pipeline.codec, pipeline.device)
    embedding = embeddings.load("embedded")
    with progress(total=len(scores) * len(group), desc="swaps", unit="swap") as bar:
        for some in batches(group):
            batch = CaseBatch(some, *render(some, library))
            points[TRUTH].append(embedding.embed(batch.truth, SAMPLE_RATE).numpy())
            for name in scores:
                made = _output(name, batch, system, codec, compared, seed)
                scores[name] += melody_and_timbre(some, made, library)
                points[name].append(embedding.embed(made, SAMPLE_RATE).numpy())
                bar.update(len(some))
    lines, notes = ([case.set == kind for case in group] for kind in ("melodies", "notes"))
    columns = {name: np.array(rows) for name, rows in scores.items()}
    sounds = {name: np.concatenate(parts)[lines] for name, parts in points.items()}
    pieces = np.array([case.melody.piece for case in group])

    def cells(name: str) -> list[Cell]:
        own, known = ({key: column[part] for key, column in columns.items()} for part in (lines, notes))
        pairs = sounds[TRUTH], sounds[name]
        distance = Value(kad(*pairs, paired=True), digits=2) if sum(lines) > 1 else EMPTY
        single = _score(known, name) if any(notes) else EMPTY
        return [*_cells(own, name, pieces[lines]), distance, single, *_differences(own, name, pieces[lines])]

    rows = [
        (name, Value(cost(pipeline, way.sampling), digits=0), *cells(name)) for name, way in compared.items()
    ]
    rows.append((CODEC, EMPTY, *cells(CODEC)))
    differences = [f"{name}, less {REFERENCE}" for name in ("F1", "top-1")]
    splits = ", ".join(dict.fromkeys(case.split for case in group))
    return Table(
        "Quality over evaluations of the network",
        ("sampler", COUNT, *PANELS, *OTHERS, *differences),
        tuple(rows),
        f"Swaps of level 1, {counted(sum(lines), 'melody', 'melodies')} and "
        f"{counted(sum(notes), 'single note')} of {splits}, the same noise for all rows; means with "
        "bootstrap 95 % intervals over pieces, differences paired. KAD: distance of the melodies from the "
        "right answers. Evaluations are per window, including those for guidance.",
        command,
    )


def _output(
    name: str, batch: CaseBatch, system: Model, codec: Bounds, compared: Mapping[str, Way], seed: int
) -> torch.Tensor:
    if name == CODEC:
        return codec.render(batch, Output(CODEC))
    system.pipeline.student = compared[name].student
    system.pipeline.sampling = replace(compared[name].sampling, seed=seed)
    return system.swap(batch, LEVELS)


def _cells(columns: dict[str, np.ndarray], name: str, pieces: Sequence[str]) -> list[Cell]:
    """F1, top-1 and swap score of a row."""
    return [*(mean_cell(column, pieces, 3) for column in columns[name].T[:2]), _score(columns, name, pieces)]


def _differences(columns: dict[str, np.ndarray], name: str, pieces: Sequence[str]) -> list[Cell]:
    """F1 and top-1 less those of `REFERENCE`."""
    if REFERENCE not in columns or name in (REFERENCE, CODEC):
        return [EMPTY, EMPTY]
    return [mean_cell(column, pieces, 3) for column in (columns[name] - columns[REFERENCE]).T[:2]]


def _beside_codec(columns: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Melody and timbre scores of a row, then those of the codec: (cases, 4)."""
    return np.concatenate([columns[name][:, :2], columns[CODEC][:, :2]], axis=1)


def _score(columns: dict[str, np.ndarray], name: str, pieces: Sequence[str] = ()) -> Cell:
    """The swap score of a row, with an interval if there are `pieces`; empty if the codec reaches nothing."""
    together = _beside_codec(columns, name)
    value = float(swap_score(together.mean(axis=0)[None])[0])
    if math.isnan(value):
        return EMPTY
    return Value(value, *(interval_of(swap_score, together, pieces) if len(pieces) else ()), digits=3)
