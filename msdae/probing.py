"""Probes: what a small classifier can read from each code of a model.

A probe is an MLP on the time average of a code, trained by cross-entropy (thesis, section 4.3). It is
fitted on clips that share no *group* with those it is scored on: the notes of one instrument and pitch
are one group whatever their velocity, the clips of one piece are one group whatever their stem.
"""

import csv
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from tqdm import tqdm

from msdae import tables
from msdae.checkpoint import atomic
from msdae.data import ClipCache
from msdae.errors import UserError
from msdae.metrics.bootstrap import interval
from msdae.models import Autoencoder

Clip = Mapping[str, Any]  # a label record of the cache
Features = dict[str, torch.Tensor]  # code -> (clips, channels)

SHARED = "any"  # in place of a checkpoint: features that no model makes
RANDOM = "random "  # before the name of a code: of the same encoder with its initial weights
HELD_OUT = 0.3  # share of groups that score the probe, where the data is one cache
VALIDATION = 0.1  # share of the groups fitted on that choose when to stop
CLIPS_AT_ONCE = 32


@dataclass(frozen=True)
class Task:
    """What a probe is asked for: `label` of the clips of `dataset` (None: of all that have it)."""

    label: str
    dataset: str | None = None

    def answer(self, clip: Clip) -> str | None:
        """The clip's class; None where the task does not ask for it."""
        asked = self.dataset is None or clip.get("dataset") == self.dataset
        return str(clip[self.label]) if asked and clip.get(self.label) is not None else None


TASKS = {"pitch": Task("pitch", "nsynth"), "instrument": Task("family")}


@dataclass(frozen=True)
class Result:
    """Accuracy of one probe, 0 to 1, with its 95 % interval; one row of the report.

    code: "h1" to "h3", "random h1" ..., or "codec" and "mel".
    floor: accuracy of always answering the class that is most frequent in the clips fitted on.
    """

    checkpoint: str
    code: str
    task: str
    accuracy: float
    low: float
    high: float
    floor: float
    classes: int
    fit_clips: int
    test_clips: int


@dataclass(frozen=True)
class Split:
    """The clips that probes are fitted on and scored on: a cache and indices into it, for each."""

    fit: ClipCache
    fit_indices: np.ndarray
    test: ClipCache
    test_indices: np.ndarray


# -- the data


def group(clip: Clip) -> str:
    """What must not lie on both sides of a split: a piece, or an instrument's note of one pitch."""
    if clip.get("pitch") is not None:
        return f"note {clip.get('instrument')} {clip['pitch']}"
    if clip.get("piece") is not None:
        return f"piece {clip['piece']}"
    return f"clip {clip['name']}"


def open_split(path: str | Path) -> Split:
    """The split in `path`: its caches train/ and test/, or else the groups of one cache.

    Raises:
        UserError: neither a cache nor a folder with the caches train/ and test/.
    """
    path = Path(path)
    if (path / "manifest.json").exists():
        cache = ClipCache(path)
        held_out = np.array([_lot(group(clip)) < HELD_OUT for clip in cache.clips])
        return Split(cache, np.flatnonzero(~held_out), cache, np.flatnonzero(held_out))
    if not all((path / part / "manifest.json").exists() for part in ("train", "test")):
        raise UserError(
            f"{path}: neither a cache nor a folder with the caches train/ and test/; "
            "make one with experiments/prepare_data.py"
        )
    fit, test = ClipCache(path / "train"), ClipCache(path / "test")
    tested = {group(clip) for clip in test.clips}
    apart = [i for i, clip in enumerate(fit.clips) if group(clip) not in tested]
    return Split(fit, np.array(apart, dtype=int), test, np.arange(len(test)))


def _lot(name: str) -> float:
    """A number in [0, 1) that depends on nothing but the name."""
    return zlib.crc32(name.encode()) / 2**32


# -- the features


def features(cache: ClipCache, indices: np.ndarray, model: Autoencoder | None, label: str = "") -> Features:
    """Time averages of every code of `model`, or of the latent and the log-mel where it is None.

    Returns {"h1": (clips, code_channels), ...} or {"codec": (clips, channels), "mel": (clips, bands)},
    float32 on the CPU.
    """
    parts: dict[str, list[torch.Tensor]] = {}
    for rows in tqdm(list(_portions(indices)), desc=label, unit="batch", leave=False):
        batch = cache.batch(rows)
        for name, code in _codes(batch.z, batch.mel, model).items():
            parts.setdefault(name, []).append(code.mean(dim=-1).float().cpu())
    return {name: torch.cat(averages) for name, averages in parts.items()}


def _portions(indices: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(indices), CLIPS_AT_ONCE):
        yield indices[start : start + CLIPS_AT_ONCE]


@torch.inference_mode()
def _codes(z: torch.Tensor, mel: torch.Tensor, model: Autoencoder | None) -> dict[str, torch.Tensor]:
    if model is None:
        return {"codec": z, "mel": mel}
    device = next(model.parameters()).device
    codes = model.encode(z.to(device), mel.to(device))
    return {f"h{level}": code for level, code in enumerate(codes, start=1)}


def initial(model: Autoencoder, seed: int = 0) -> Autoencoder:
    """A model of the same kind and size as `model` with fresh weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = type(model)(model.config, model.stage)
    return fresh.to(next(model.parameters()).device).eval()


# -- the probe


def probe(
    fit: tuple[torch.Tensor, Sequence[str]],
    test: torch.Tensor,
    groups: Sequence[str],
    seed: int = 0,
    width: int = 256,
    epochs: int = 100,
    batch: int = 128,
) -> list[str]:
    """Fit an MLP to features and classes, and answer for other features.

    fit: (clips, channels) and their classes; groups: of the clips of `fit`;
    test: (clips, channels) -> a class each.

    Features are standardised. A tenth of the groups is kept from the fit; the epoch with the lowest
    cross-entropy on it answers. Runs on the CPU: the same seed gives the same answers.
    """
    names = sorted(set(fit[1]))
    classes = torch.tensor([names.index(name) for name in fit[1]])
    mean, std = fit[0].mean(dim=0), fit[0].std(dim=0, correction=0).clamp(min=1e-6)
    x, x_test = (fit[0] - mean) / std, (test - mean) / std
    kept = torch.tensor([_lot(f"validation {name}") < VALIDATION for name in groups])
    if kept.all() or not kept.any():
        raise UserError(f"{len(classes)} clips are too few to fit a probe on; give more data")

    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(x.shape[1], width), nn.GELU(), nn.Linear(width, len(names)))
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)
    best, answers = float("inf"), torch.zeros(len(x_test), dtype=torch.long)
    rows = torch.flatten(torch.nonzero(~kept))
    for _ in range(epochs):
        for part in rows[torch.randperm(len(rows), generator=generator)].split(batch):
            optimizer.zero_grad()
            F.cross_entropy(network(x[part]), classes[part]).backward()
            optimizer.step()
        with torch.inference_mode():
            loss = float(F.cross_entropy(network(x[kept]), classes[kept]))
            if loss < best:
                best, answers = loss, network(x_test).argmax(dim=1)
    return [names[answer] for answer in answers]


# -- the report


def run(
    checkpoints: Mapping[str, Autoencoder], split: Split, tasks: Sequence[str], seed: int = 0
) -> list[Result]:
    """Every task on every code of every checkpoint, on the same codes of random encoders, on the latent
    and on the log-mel.

    checkpoints: models by the name that they are reported under.

    Raises:
        UserError: a cache made with another codec or log-mel than a model's; a task without labels.
    """
    results = []
    for checkpoint, model in checkpoints.items():
        for cache in (split.fit, split.test):
            cache.require(model.config.codec, model.config.mel)
        results += _probe_all(checkpoint, model, split, tasks, seed)
        control = _probe_all(checkpoint, initial(model, seed), split, tasks, seed)
        results += [Result(**{**asdict(row), "code": RANDOM + row.code}) for row in control]
    return results + _probe_all(SHARED, None, split, tasks, seed)


def _probe_all(
    checkpoint: str, model: Autoencoder | None, split: Split, tasks: Sequence[str], seed: int
) -> list[Result]:
    label = "codec and mel" if model is None else f"codes of {checkpoint}"
    fit = features(split.fit, split.fit_indices, model, label)
    test = features(split.test, split.test_indices, model, label)
    return [
        _score(checkpoint, code, task, fit[code], test[code], split, seed) for task in tasks for code in fit
    ]


def _score(
    checkpoint: str, code: str, task: str, fit: torch.Tensor, test: torch.Tensor, split: Split, seed: int
) -> Result:
    fit_rows, fit_classes, fit_groups = _asked(task, split.fit, split.fit_indices)
    test_rows, test_classes, test_groups = _asked(task, split.test, split.test_indices)
    answers = probe((fit[fit_rows], fit_classes), test[test_rows], fit_groups, seed)
    right = np.array([answer == true for answer, true in zip(answers, test_classes, strict=True)])
    most_frequent = max(sorted(set(fit_classes)), key=fit_classes.count)
    return Result(
        checkpoint,
        code,
        task,
        float(right.mean()),
        *interval(right, test_groups, seed=seed),
        floor=float(np.mean([true == most_frequent for true in test_classes])),
        classes=len(set(fit_classes)),
        fit_clips=len(fit_rows),
        test_clips=len(test_rows),
    )


def _asked(task: str, cache: ClipCache, indices: np.ndarray) -> tuple[list[int], list[str], list[str]]:
    """The rows among `indices` that have an answer to `task`, with their classes and groups."""
    clips = [cache.clips[index] for index in indices]
    answers = [TASKS[task].answer(clip) for clip in clips]
    rows = [row for row, answer in enumerate(answers) if answer is not None]
    if not rows:
        raise UserError(
            f"task '{task}': no clip has the label '{TASKS[task].label}'; leave it out of --tasks"
        )
    return rows, [answers[row] for row in rows], [group(clips[row]) for row in rows]


def report(results: Sequence[Result], style=tables.text) -> str:
    """A table with a row a code and a column a task and checkpoint, accuracies in per cent."""
    checkpoints = list(dict.fromkeys(row.checkpoint for row in results if row.checkpoint != SHARED))
    tasks = list(dict.fromkeys(row.task for row in results))
    cells = {(row.code, row.task, row.checkpoint): f"{_cell(row)}" for row in results}
    columns = [(task, checkpoint) for task in tasks for checkpoint in checkpoints]
    several = len(checkpoints) > 1
    header = ["code", *(f"{task}, {checkpoint}" if several else task for task, checkpoint in columns)]

    def line(code: str) -> list[str]:
        found = (cells.get((code, *column), cells.get((code, column[0], SHARED), "")) for column in columns)
        return [code, *found]

    floors = {row.task: f"{100 * row.floor:.1f}" for row in results}
    rows = [line(code) for code in sorted({row.code for row in results}, key=_order)]
    rows.append(["most frequent class", *(floors[task] for task, _ in columns)])
    return style(header, rows)


def _cell(row: Result) -> str:
    return f"{100 * row.accuracy:.1f} [{100 * row.low:.1f}, {100 * row.high:.1f}]"


def _order(code: str) -> tuple[int, str]:
    """Codes first, then what they are compared with."""
    kinds = ["h", "codec", "mel", RANDOM]
    return next(rank for rank, kind in enumerate(kinds) if code.startswith(kind)), code


def write(results: Sequence[Result], folder: str | Path) -> list[Path]:
    """Write probes.csv and probes.json (a row a result) and probes.md (the table); returns their paths.

    Raises:
        UserError: the folder cannot be made or written to.
    """
    rows = [asdict(row) for row in results]
    contents = {
        "probes.csv": _csv(rows),
        "probes.json": json.dumps(rows, indent=2) + "\n",
        "probes.md": report(results, tables.markdown) + "\n",
    }
    paths = [Path(folder) / name for name in contents]
    try:
        for path in paths:
            with atomic(path) as temporary:
                temporary.write_text(contents[path.name])
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); choose another --out") from error
    return paths


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
