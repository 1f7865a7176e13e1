"""The thesis's tables 2 and 3 with its numbers, a table of everything, the summary; as text and files."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from msdae.analysis.probes.representations import RANDOM
from msdae.analysis.probes.separation import Separation
from msdae.analysis.probes.study import SHARED, Result
from msdae.analysis.probes.tasks import CLASSES, FRAMES, TASKS
from msdae.checkpoint import atomic
from msdae.errors import UserError
from msdae.evaluation.tables import Table

# The thesis's tables 2 and 3: h1, h2, h3 and the codec's latent, which stands once for both models.
THESIS = {
    ("notes", "pitch"): {"HDAE": ("96", "85", "8", "97"), "MSDAE": ("76", "82", "87", "97")},
    ("notes", "instrument"): {"HDAE": ("99", "83", "26", "99"), "MSDAE": ("97", "94", "94", "99")},
    ("melodies", "melody"): {
        "HDAE": (".007", ".009", ".022", ".002"),
        "MSDAE": (".015", ".006", ".006", ".002"),
    },
    ("melodies", "instrument"): {"HDAE": ("97", "47", "14", "99"), "MSDAE": ("91", "86", "79", "99")},
}
_TITLES = {"notes": "Table 2. Probes on notes", "melodies": "Table 3. Probes on melodies"}
_LEVELS = ("h1", "h2", "h3")
_COMMAND = "python probes/run_probes.py"


def tables(
    results: Sequence[Result], separations: Sequence[Separation], command: str = _COMMAND
) -> list[Table]:
    """Tables 2 and 3, what the three codes do not show there, and the disentanglement summary."""
    found = [table for clips in _TITLES for table in thesis_tables(results, clips, command)]
    found += full_tables(results, command)
    return found + [summary(separation, command) for separation in separations]


def thesis_tables(results: Sequence[Result], clips: str, command: str = "") -> list[Table]:
    """The thesis's table on `clips` ("notes" or "melodies"), its rows first, then ours; one a data set.

    Accuracies in per cent with the 95 % interval, for the melody the BCE a frame and pitch.
    """
    tasks = [task for of_clips, task in THESIS if of_clips == clips]
    mine = [result for result in results if result.clips == clips and result.task in tasks]
    tasks = [task for task in tasks if task in {result.task for result in mine}]
    return [_thesis_table(_of(mine, data=data), clips, tasks, command) for data in _names(mine, "data")]


def _thesis_table(results: list[Result], clips: str, tasks: list[str], command: str) -> Table:
    units = {task: "BCE" if TASKS[task].kind == FRAMES else "%" for task in tasks}
    header = ["model", *(f"{task} {units[task]} {code}" for task in tasks for code in (*_LEVELS, "codec"))]
    rows = [
        [f"{model}, thesis", *(cell for task in tasks for cell in THESIS[clips, task][model])]
        for model in ("HDAE", "MSDAE")
    ]
    shared = _of(results, checkpoint=SHARED)
    for checkpoint in _checkpoints(results):
        for prefix in ("", RANDOM):
            mine = _of(results, checkpoint=checkpoint)
            line = [f"{prefix}{mine[0].model}, {checkpoint}"]
            for task in tasks:
                line += [_thesis_cell(_of(mine, task=task, code=f"{prefix}{level}")) for level in _LEVELS]
                line.append("" if prefix else _thesis_cell(_of(shared, task=task, code="codec")))
            rows.append(line)
    mel = (
        (task, _of(shared, task=task, code="mel"), _of(shared, task=task, code="codec")[0]) for task in tasks
    )
    others = [
        f"{task}: log-mel {_thesis_cell(found)}, best constant answer "
        + (f"{codec.loss_floor:.3f}" if units[task] == "BCE" else f"{100 * codec.floor:.0f}")
        for task, found, codec in mel
    ]
    first = results[0]
    note = (
        f"{first.data}: fitted on {first.fit_clips}, scored on {first.test_clips} clips that share no piece "
        f"or note. {'; '.join(others)}."
    )
    return Table(_TITLES[clips], tuple(header), tuple(map(tuple, rows)), note, command)


def full_tables(results: Sequence[Result], command: str = "") -> list[Table]:
    """Every score with its interval, a row a code, a column a task; a table a data set and kind of probe."""
    found = []
    for data in _names(results, "data"):
        for clips in _TITLES:
            for sequences in (False, True):
                mine = [r for r in _of(results, data=data, clips=clips) if _is_sequence(r.task) == sequences]
                if mine:
                    found.append(_full_table(mine, data, clips, sequences, command))
    return found


def _full_table(results: list[Result], data: str, clips: str, sequences: bool, command: str) -> Table:
    tasks = _names(results, "task")
    losses = [task for task in tasks if sequences]
    header = ["code", *(_column(task) for task in tasks), *(f"{task} BCE" for task in losses)]
    rows = []
    for checkpoint in [*_checkpoints(results), SHARED]:
        mine = _of(results, checkpoint=checkpoint)
        for code in _names(mine, "code"):
            by_task = {task: _of(mine, code=code, task=task)[0] for task in tasks}
            name = code if checkpoint == SHARED else f"{code}, {checkpoint}"
            scores = [_score(by_task[task]) for task in tasks]
            rows.append((name, *scores, *(_loss(by_task[task]) for task in losses)))
    by_task = {task: _of(results, task=task)[0] for task in tasks}
    floors = [_number(by_task[task], by_task[task].floor) for task in tasks]
    rows.append(("best constant answer", *floors, *(f"{by_task[task].loss_floor:.4f}" for task in losses)))
    probe = "BiLSTM on sequences" if sequences else "MLP on time averages"
    left_out = sum(by_task[task].left_out for task in tasks)
    unknown = f" {left_out} answers of classes that no clip fitted on has are left out." if left_out else ""
    note = f"95 % intervals over pieces and notes; accuracies in per cent.{unknown}"
    return Table(f"All probes, {clips} of {data}: {probe}", tuple(header), tuple(rows), note, command)


def summary(found: Separation, command: str = "") -> Table:
    """Which level holds each factor, and the mutual information gap over levels."""
    levels = range(1, 1 + len(found.factors[0].explained))
    header = ["factor", *(f"h{k}" for k in levels), *(f"h{k} - random" for k in levels)]
    rows = []
    for factor in found.factors:
        over = [a - b for a, b in zip(factor.explained, factor.random, strict=True)]
        rows.append(
            (
                f"{factor.task}, {factor.clips}",
                *(f"{share:.2f}" for share in factor.explained),
                *(f"{share:+.2f}" for share in over),
                f"h{factor.holder}",
                f"h{factor.trained_into}",
                f"{factor.gap:.2f} [{factor.low:.2f}, {factor.high:.2f}]",
            )
        )
    note = (
        f"Separation (mutual information gap over levels, 0 to 1): {found.mig:.2f} "
        f"[{found.low:.2f}, {found.high:.2f}]; of untrained encoders {found.random_mig:.2f}. Columns: the "
        "share of a factor's information that a probe reads from each level, and how much that is over an "
        "untrained encoder. The gap is that of the best level over the second best."
    )
    title = f"Disentanglement of {found.checkpoint} on {found.data}"
    return Table(title, (*header, "most in", "most over random", "gap"), tuple(rows), note, command)


def write(
    results: Sequence[Result],
    separations: Sequence[Separation],
    about: Mapping[str, Any],
    folder: str | Path,
    command: str = _COMMAND,
) -> list[Path]:
    """Write probes.csv (a row a result), probes.json (the same, the separations and `about`), probes.md and
    tables.json (the tables); returns their paths.

    Raises:
        UserError: the folder cannot be made or written to.
    """
    rows = [result.row() for result in results]
    document = {**about, "results": rows, "separation": [asdict(found) for found in separations]}
    made = tables(results, separations, command)
    contents = {
        "probes.csv": _csv(rows),
        "probes.json": json.dumps(document, indent=1) + "\n",
        "probes.md": "\n\n".join(table.markdown() for table in made) + "\n",
        "tables.json": json.dumps([asdict(table) for table in made], indent=1) + "\n",
    }
    paths = [Path(folder) / name for name in contents]
    try:
        for path in paths:
            with atomic(path) as temporary:
                temporary.write_text(contents[path.name])
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); choose another --out") from error
    return paths


def _of(results: Sequence[Result], **wanted: str) -> list[Result]:
    return [r for r in results if all(getattr(r, key) == value for key, value in wanted.items())]


def _names(results: Sequence[Result], key: str) -> list[str]:
    """The different values of a field; tasks and codes in their own order."""
    found = dict.fromkeys(getattr(result, key) for result in results)
    if key == "task":
        return [task for task in TASKS if task in found]
    return sorted(found, key=_rank) if key == "code" else list(found)


def _rank(code: str) -> tuple[int, str]:
    """Codes first, then what they are compared with."""
    kinds = ["h1", "h2", "h3", "h~", "codec", "mel", RANDOM]
    return next(rank for rank, kind in enumerate(kinds) if code.startswith(kind)), code


def _checkpoints(results: Sequence[Result]) -> list[str]:
    return [name for name in _names(results, "checkpoint") if name != SHARED]


def _is_sequence(task: str) -> bool:
    return TASKS[task].kind == FRAMES


def _column(task: str) -> str:
    return f"{task} {'%' if TASKS[task].kind == CLASSES else TASKS[task].metric}"


def _thesis_cell(found: Sequence[Result]) -> str:
    """A cell of tables 2 and 3; none for a level that the model does not have."""
    if not found:
        return ""
    result = found[0]
    if _is_sequence(result.task):
        return f"{result.loss:.3f} [{result.loss_low:.3f}, {result.loss_high:.3f}]"
    return f"{100 * result.score:.0f} [{100 * result.low:.0f}, {100 * result.high:.0f}]"


def _score(result: Result) -> str:
    low, high = _number(result, result.low), _number(result, result.high)
    return f"{_number(result, result.score)} [{low}, {high}]"


def _number(result: Result, value: float) -> str:
    return f"{100 * value:.1f}" if result.metric == "accuracy" else f"{value:.2f}"


def _loss(result: Result) -> str:
    return f"{result.loss:.4f} [{result.loss_low:.4f}, {result.loss_high:.4f}]"


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
