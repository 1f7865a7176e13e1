"""The study: a probe for each task on each code of each model, and on what codes are compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import torch

from msdae.analysis.probes import representations
from msdae.analysis.probes.fitting import fit
from msdae.analysis.probes.representations import Representations
from msdae.analysis.probes.scoring import Score, score
from msdae.analysis.probes.splits import Split, group
from msdae.analysis.probes.tasks import CLASSES, FRAMES, TASKS, VALUE
from msdae.data import ClipCache
from msdae.data.labels import KINDS
from msdae.errors import UserError
from msdae.models.autoencoder import Autoencoder
from msdae.nn.device import workers
from msdae.progress import Progress, silent

SHARED = "any"  # in place of a checkpoint, for features that do not depend on a model


@dataclass(frozen=True)
class Result:
    """The result of one probe; a row of the report.

    checkpoint, model: name of the checkpoint and its kind (MSDAE or HDAE); both `SHARED` for other features.
    data, clips: name of the data set, and "notes" or "melodies".
    code: "h1" to "h3", "h~2" and "h~3", "random h1" ..., or "codec" and "mel".
    metric: "accuracy", "R2" or "F1". For the fields from `score` to `explained` see `scoring.Score`.
    outputs: number of classes, of values, or of outputs per frame.
    left_out: number of tested clips whose class no clip fitted on has; they are not scored.
    losses, groups: of the tested clips, for intervals of figures from several results.
    """

    checkpoint: str
    model: str
    data: str
    clips: str
    code: str
    task: str
    metric: str
    score: float
    low: float | None
    high: float | None
    floor: float
    loss: float
    loss_low: float | None
    loss_high: float | None
    loss_floor: float
    explained: float
    outputs: int
    fit_clips: int
    test_clips: int
    left_out: int
    losses: np.ndarray = field(repr=False, compare=False)
    groups: tuple[str, ...] = field(repr=False, compare=False)

    def row(self) -> dict[str, str | float | int | None]:
        """The fields without those of single clips."""
        return {key: value for key, value in vars(self).items() if key not in ("losses", "groups")}


@dataclass(frozen=True)
class Question:
    """A task asked of one kind of clips of a data set.

    frames: latent frames of a clip. fit_rows, test_rows: places in `fit_indices` and `test_indices` of the
    split. The other fields are as in `Result` or belong to these rows.
    """

    data: str
    clips: str
    task: str
    frames: int
    fit_rows: list[int]
    fit_answers: torch.Tensor
    fit_groups: list[str]
    test_rows: list[int]
    test_answers: torch.Tensor
    test_groups: list[str]
    outputs: int
    left_out: int


def run(
    checkpoints: Mapping[str, Autoencoder],
    data: Mapping[str, Split],
    tasks: Sequence[str] | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> list[Result]:
    """Probe every code and every control on every data set, for all tasks that its labels allow.

    The probes are fitted on the CPU, as many at once as torch has threads, each on one thread.

    checkpoints, data: models and splits by the names in the report.
    tasks: of `TASKS`, each of which some data set must have labels for; None for all that any has.
    seed: of the probes and of the bootstrap.

    Raises:
        UserError: a cache was made with another codec or log-mel than a model's, no data set has labels for a
            task in `tasks`, or there are no labels for any task.
    """
    questions = [q for name, split in data.items() for task in tasks or TASKS for q in ask(name, split, task)]
    if not questions and not tasks:
        raise UserError(
            f"{', '.join(data)}: no clips have labels that differ; give clips of the kind 'note' with pitch, "
            "instrument, family or velocity, or of the kind 'melody' with instrument, family or notes "
            "(docs/extend.md, A data set)"
        )
    for task in tasks or ():
        if task not in {question.task for question in questions}:
            raise UserError(f"task '{task}': no clips have labels that differ; leave it out of --tasks")
    for split in data.values():
        for model in checkpoints.values():
            for cache in (split.fit, split.test):
                cache.require(model.config.codec, model.config.mel)
    results = []
    for name, split in data.items():
        asked = [question for question in questions if question.data == name]
        for checkpoint, model in [*checkpoints.items(), (SHARED, None)] if asked else []:
            results += _probe_all(checkpoint, model, split, asked, seed, progress)
    return results


def ask(data: str, split: Split, task: str) -> list[Question]:
    """The questions of `task` that the labels of `split` answer, one for each kind of clips.

    There is no question if all clips fitted on have the same class or value.
    """
    questions = []
    frames = split.fit.latents.shape[-1]
    for clips in TASKS[task].sets:
        fitted = _answers(split.fit, split.fit_indices, clips, task, frames)
        tested = _answers(split.test, split.test_indices, clips, task, frames)
        kind = TASKS[task].kind
        known = set() if kind == FRAMES else set(fitted.values())
        answerable = {row: answer for row, answer in tested.items() if kind != CLASSES or answer in known}
        if not fitted or not answerable or (kind != FRAMES and len(known) < 2):
            continue
        encode, outputs = _encoder(task, list(fitted.values()))
        questions.append(
            Question(
                data,
                clips,
                task,
                frames,
                list(fitted),
                encode(list(fitted.values())),
                [group(split.fit.clips[split.fit_indices[row]]) for row in fitted],
                list(answerable),
                encode(list(answerable.values())),
                [group(split.test.clips[split.test_indices[row]]) for row in answerable],
                outputs,
                len(tested) - len(answerable),
            )
        )
    return questions


def _answers(cache: ClipCache, indices: np.ndarray, clips: str, task: str, frames: int) -> dict:
    """{place in `indices`: answer} for the clips of the kind `clips` that have an answer."""
    labels = ((row, cache.clips[index]) for row, index in enumerate(indices))
    seconds = cache.clip_seconds
    answers = {
        row: TASKS[task].answer(clip, frames, seconds)
        for row, clip in labels
        if clip.get("kind") == KINDS[clips]
    }
    return {row: answer for row, answer in answers.items() if answer is not None}


def _encoder(task: str, fitted: list):
    """A function that turns answers into the targets of `fitting.fit`, and the number of outputs."""
    kind = TASKS[task].kind
    if kind == CLASSES:
        index = {name: place for place, name in enumerate(sorted(set(fitted)))}
        return lambda answers: torch.tensor([index[answer] for answer in answers]), len(index)
    if kind == VALUE:
        mean, std = float(np.mean(fitted)), float(np.std(fitted)) or 1.0
        return lambda answers: (torch.tensor(answers)[:, None] - mean) / std, 1
    return lambda answers: torch.from_numpy(np.stack(answers)), fitted[0].shape[-1]


def _probe_all(
    checkpoint: str,
    model: Autoencoder | None,
    split: Split,
    questions: list[Question],
    seed: int,
    progress: Progress,
) -> list[Result]:
    def read(cache: ClipCache, indices: np.ndarray) -> Representations:
        if model is None:
            return representations.of_data(cache, indices, progress)
        return representations.of_model(cache, indices, model, f"codes of {checkpoint}", progress)

    fitted, tested = read(split.fit, split.fit_indices), read(split.test, split.test_indices)
    jobs = [(question, code) for question in questions for code in fitted]
    # The longest first, so that no thread is alone with a long one at the end.
    jobs.sort(key=lambda job: TASKS[job[0].task].kind != FRAMES)

    def work(job: tuple[Question, str]) -> Result:
        question, code = job
        score_of_probe = _probe(question, fitted[code], tested[code], seed)
        return _result(checkpoint, type(model).__name__ if model else SHARED, code, question, score_of_probe)

    bar = progress(total=len(jobs), desc=f"probes of {checkpoint}", unit="probe", leave=False)
    with bar, workers() as pool:
        results = []
        for result in pool.map(work, jobs):
            results.append(result)
            bar.update()
    return results


def _probe(question: Question, fitted: torch.Tensor, tested: torch.Tensor, seed: int) -> Score:
    kind = TASKS[question.task].kind

    def features(sequence: torch.Tensor, rows: list[int]) -> torch.Tensor:
        clips = sequence[rows]
        at_rate = representations.at_rate
        return at_rate(clips, question.frames) if kind == FRAMES else representations.average(clips)

    x, y = features(fitted, question.fit_rows), question.fit_answers
    probe = fit(kind, x, y, question.outputs, question.fit_groups, seed)
    test = features(tested, question.test_rows), question.test_answers
    return score(kind, probe, (x, y), test, question.test_groups, seed)


def _result(checkpoint: str, model: str, code: str, question: Question, probed: Score) -> Result:
    return Result(
        checkpoint=checkpoint,
        model=model,
        data=question.data,
        clips=question.clips,
        code=code,
        task=question.task,
        metric=TASKS[question.task].metric,
        outputs=question.outputs,
        fit_clips=len(question.fit_rows),
        test_clips=len(question.test_rows),
        left_out=question.left_out,
        groups=tuple(question.test_groups),
        **asdict(probed),
    )
