"""The tables of probes: the thesis's tables 2 and 3 with its numbers, all scores, and the disentanglement."""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from msdae.analysis.probes.representations import LEVEL, RANDOM, SUMMED
from msdae.analysis.probes.separation import Separation
from msdae.analysis.probes.study import SHARED, Result
from msdae.analysis.probes.tasks import CLASSES, FRAMES, TASKS
from msdae.evaluation.tables import FILES, Cell, Table, Value, write_folder
from msdae.files import atomic, check_replaceable, make_folder


def _percent(*numbers: int) -> tuple[Value, ...]:
    return tuple(Value(number / 100, digits=0, percent=True) for number in numbers)


def _loss_of(*numbers: float) -> tuple[Value, ...]:
    return tuple(Value(number) for number in numbers)


# The thesis's tables 2 and 3: h1, h2, h3 and the codec's latent, whose value is the same for both models.
THESIS = {
    ("notes", "pitch"): {"HDAE": _percent(96, 85, 8, 97), "MSDAE": _percent(76, 82, 87, 97)},
    ("notes", "instrument"): {"HDAE": _percent(99, 83, 26, 99), "MSDAE": _percent(97, 94, 94, 99)},
    ("melodies", "melody"): {
        "HDAE": _loss_of(0.007, 0.009, 0.022, 0.002),
        "MSDAE": _loss_of(0.015, 0.006, 0.006, 0.002),
    },
    ("melodies", "instrument"): {"HDAE": _percent(97, 47, 14, 99), "MSDAE": _percent(91, 86, 79, 99)},
}
_TITLES = {"notes": "Table 2. Probes on notes", "melodies": "Table 3. Probes on melodies"}
_LEVELS = ("h1", "h2", "h3")
_COMMAND = "python probes/run_probes.py"
_FILES = ("probes.csv", "probes.json")


def tables(
    results: Sequence[Result], separations: Sequence[Separation], command: str = _COMMAND
) -> list[Table]:
    """The thesis's tables 2 and 3, the tables of all scores, and the disentanglement summaries."""
    of_thesis = [table for clips in _TITLES for table in thesis_tables(results, clips, command)]
    summaries = [summary(separation, command) for separation in separations]
    return [*of_thesis, *full_tables(results, command), *summaries]


def thesis_tables(results: Sequence[Result], clips: str, command: str = "") -> list[Table]:
    """The thesis's table on `clips` ("notes" or "melodies"), its rows and then ours; one for each data set.

    Scores are accuracies in per cent with 95 % intervals or, for the melody, the BCE per frame and pitch.
    """
    tasks = [task for of_clips, task in THESIS if of_clips == clips]
    asked = [result for result in results if result.clips == clips and result.task in tasks]
    tasks = [task for task in tasks if task in {result.task for result in asked}]
    return [_thesis_table(_of(asked, data=data), clips, tasks, command) for data in _names(asked, "data")]


def _thesis_table(results: list[Result], clips: str, tasks: list[str], command: str) -> Table:
    tasks = [task for task in tasks if _of(results, task=task)]  # those that this data set has labels for
    units = {task: "BCE" if TASKS[task].kind == FRAMES else "%" for task in tasks}
    header = ["model", *(f"{task} {units[task]} {code}" for task in tasks for code in (*_LEVELS, "codec"))]
    rows: list[list[Cell]] = [
        [f"{model}, thesis", *(cell for task in tasks for cell in THESIS[clips, task][model])]
        for model in ("HDAE", "MSDAE")
    ]
    shared = _of(results, checkpoint=SHARED)
    for checkpoint in _checkpoints(results):
        for prefix in ("", RANDOM):
            of_model = _of(results, checkpoint=checkpoint)
            line: list[Cell] = [f"{prefix}{of_model[0].model}, {checkpoint}"]
            for task in tasks:
                line += [_thesis_cell(_of(of_model, task=task, code=f"{prefix}{level}")) for level in _LEVELS]
                line.append("" if prefix else _thesis_cell(_of(shared, task=task, code="codec")))
            rows.append(line)
    mel = (
        (task, _of(shared, task=task, code="mel"), _of(shared, task=task, code="codec")[0]) for task in tasks
    )
    others = [
        f"{task}: log-mel {_thesis_cell(of_mel)}, best constant answer "
        + (f"{codec.loss_floor:.3f}" if units[task] == "BCE" else f"{100 * codec.floor:.0f}")
        for task, of_mel, codec in mel
    ]
    first = results[0]
    note = (
        f"{first.data}: fitted on {first.fit_clips}, scored on {first.test_clips} clips that share no piece "
        f"or note. {'; '.join(others)}."
    )
    return Table(_TITLES[clips], tuple(header), tuple(map(tuple, rows)), note, command)


def full_tables(results: Sequence[Result], command: str = "") -> list[Table]:
    """Every score with its interval, codes by tasks; a table for each data set, kind of clips and probe."""
    full = []
    for data in _names(results, "data"):
        for clips in _TITLES:
            for sequences in (False, True):
                part = [r for r in _of(results, data=data, clips=clips) if _is_sequence(r.task) == sequences]
                if part:
                    full.append(_full_table(part, data, clips, sequences, command))
    return full


def _full_table(results: list[Result], data: str, clips: str, sequences: bool, command: str) -> Table:
    tasks = _names(results, "task")
    losses = [task for task in tasks if sequences]
    header = ["code", *(_column(task) for task in tasks), *(f"{task} BCE" for task in losses)]
    rows: list[tuple[Cell, ...]] = []
    for checkpoint in [*_checkpoints(results), SHARED]:
        of_model = _of(results, checkpoint=checkpoint)
        for code in _names(of_model, "code"):
            by_task = {task: _of(of_model, code=code, task=task)[0] for task in tasks}
            name = code if checkpoint == SHARED else f"{code}, {checkpoint}"
            scores = [_score(by_task[task]) for task in tasks]
            rows.append((name, *scores, *(_loss(by_task[task]) for task in losses)))
    by_task = {task: _of(results, task=task)[0] for task in tasks}
    floors = [_number(by_task[task], by_task[task].floor) for task in tasks]
    loss_floors = (Value(by_task[task].loss_floor, digits=4) for task in losses)
    rows.append(("best constant answer", *floors, *loss_floors))
    probe = "BiLSTM on sequences" if sequences else "MLP on time averages"
    left_out = sum(by_task[task].left_out for task in tasks)
    unanswered = (
        f" {left_out} answers of classes that no clip fitted on has are left out." if left_out else ""
    )
    note = f"95 % intervals over pieces and notes; accuracies in per cent.{unanswered}"
    return Table(f"All probes, {clips} of {data}: {probe}", tuple(header), tuple(rows), note, command)


def summary(separation: Separation, command: str = "") -> Table:
    """A table of which level holds each factor, and of the mutual information gap over levels."""
    levels = range(1, 1 + len(separation.factors[0].explained))
    header = ["factor", *(f"h{k}" for k in levels), *(f"h{k} - random" for k in levels)]
    rows = []
    for factor in separation.factors:
        over = [a - b for a, b in zip(factor.explained, factor.random, strict=True)]
        rows.append(
            (
                f"{factor.task}, {factor.clips}",
                *(Value(share, digits=2) for share in (*factor.explained, *over)),
                f"h{factor.holder}",
                f"h{factor.trained_into}",
                Value(factor.gap, factor.low, factor.high, digits=2),
            )
        )
    mig = Value(separation.mig, separation.low, separation.high, digits=2)
    note = (
        f"Separation (mutual information gap over levels, 0 to 1): {mig}; of untrained encoders "
        f"{separation.random_mig:.2f}. Columns: share of a factor's information that a probe reads from "
        "each level, and its excess over an untrained encoder. The gap is that between the best level and "
        "the second best."
    )
    title = f"Disentanglement of {separation.checkpoint} on {separation.data}"
    return Table(title, (*header, "most in", "most over random", "gap"), tuple(rows), note, command)


def write(
    results: Sequence[Result],
    separations: Sequence[Separation],
    about: Mapping[str, Any],
    folder: str | Path,
    command: str = _COMMAND,
) -> list[Path]:
    """Write all results into `folder` and return the files' paths.

    The files are probes.csv with a row for each result, probes.json with the same, the separations and
    `about`, and those of the tables (`tables.write_folder`).

    Raises:
        UserError: the folder cannot be made or written to.
    """
    check_folder(folder)
    rows = [result.row() for result in results]
    document = {**about, "results": rows, "separation": [asdict(separation) for separation in separations]}
    contents = (_csv(rows), json.dumps(document, indent=1) + "\n")
    paths = [Path(folder) / name for name in _FILES]
    for path, text in zip(paths, contents, strict=True):
        with atomic(path) as temporary:
            temporary.write_text(text, "utf-8", "backslashreplace")  # for names that are not UTF-8
    return paths + write_folder(folder, tables(results, separations, command))


def check_folder(folder: str | Path) -> None:
    """Make the folder, and raise the UserError that `write` would raise for it."""
    make_folder(folder)
    for name in (*_FILES, *FILES):
        check_replaceable(Path(folder) / name)


def _of(results: Sequence[Result], **wanted: str) -> list[Result]:
    """The results whose fields have the values `wanted`."""
    return [r for r in results if all(getattr(r, key) == value for key, value in wanted.items())]


def _names(results: Sequence[Result], key: str) -> list[str]:
    """The different values of a field; tasks are in the order of `TASKS`, codes in that of `_rank`."""
    values = dict.fromkeys(getattr(result, key) for result in results)
    if key == "task":
        return [task for task in TASKS if task in values]
    return sorted(values, key=_rank) if key == "code" else list(values)


def _rank(code: str) -> tuple[int, str]:
    """The key by which codes are sorted: codes of levels first, then what they are compared with."""
    kinds = [LEVEL, SUMMED, "codec", "mel", RANDOM]
    return next(rank for rank, kind in enumerate(kinds) if re.match(kind, code)), code


def _checkpoints(results: Sequence[Result]) -> list[str]:
    return [name for name in _names(results, "checkpoint") if name != SHARED]


def _is_sequence(task: str) -> bool:
    return TASKS[task].kind == FRAMES


def _column(task: str) -> str:
    return f"{task} {'%' if TASKS[task].kind == CLASSES else TASKS[task].metric}"


def _thesis_cell(results: Sequence[Result]) -> Cell:
    """A cell of tables 2 and 3; "" for a level that the model does not have."""
    if not results:
        return ""
    result = results[0]
    if _is_sequence(result.task):
        return Value(result.loss, result.loss_low, result.loss_high)
    return Value(result.score, result.low, result.high, digits=0, percent=True)


def _score(result: Result) -> Value:
    return _number(result, result.score, result.low, result.high)


def _number(result: Result, value: float, low: float | None = None, high: float | None = None) -> Value:
    percent = result.metric == "accuracy"
    return Value(value, low, high, 1 if percent else 2, percent)


def _loss(result: Result) -> Value:
    return Value(result.loss, result.loss_low, result.loss_high, digits=4)


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
