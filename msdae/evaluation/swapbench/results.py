"""A results folder, to which scores are added line by line, so that a stopped run can continue."""

import base64
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from msdae import files
from msdae.errors import UserError, printable
from msdae.evaluation import tables
from msdae.evaluation.swapbench.cases import Case, from_json, to_json
from msdae.evaluation.swapbench.scores import F1, PITCH, TOP1, Scores
from msdae.evaluation.swapbench.systems import BOUNDS, CODEC, TRUTH, Output

MANIFEST, CASES, SCORES, EMBEDDINGS = "manifest.json", "cases.jsonl", "scores.jsonl", "embeddings.jsonl"
TABLES, AUDIO = "tables.json", "audio"
SAME = ("format", "seed", "splits", "codec", "settings", "data")  # manifest fields that all rows share
SOURCES = ("timbre", "melody", TRUTH)  # the recordings of a case that are not outputs
# {field of the manifest that lists systems by their rows: word for such a system in errors}.
SYSTEMS = {"checkpoints": "checkpoint", "outputs": "set of recordings", "functions": "function"}
FORMAT = 1

Key = tuple[str, str, str]  # case, row, levels
Parsed = TypeVar("Parsed")


class Results:
    """The scores in `folder`. `begin` makes or continues a folder, `read` opens a finished one.

    A folder grows row by row: the same cases may be run with further checkpoints later.

    Attributes:
        manifest: the fields `SAME`, the date and, for each of `SYSTEMS`, {row: facts with a "hash"}.
        cases: the cases that are scored.
        scores: {(case, row, levels): {metric: value}}.
        tables: those of a finished folder.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Mapping[str, Any],
        cases: Sequence[Case],
        scores: Mapping[Key, Scores],
        embeddings: Mapping[Key, np.ndarray],
        tables: Sequence[tables.Table] = (),
    ):
        self.folder, self.manifest, self.cases, self.tables = folder, manifest, list(cases), list(tables)
        self.scores, self._embeddings = dict(scores), dict(embeddings)

    @classmethod
    def begin(cls, folder: str | Path, manifest: Mapping[str, Any], cases: Sequence[Case]) -> "Results":
        """Make or continue the results in `folder`; the manifest gets the checkpoints of earlier runs, too.

        Raises:
            UserError: the folder holds results of other settings, cases or checkpoints, or is damaged.
        """
        folder, fix = Path(folder), f"delete {folder} or choose another --out"
        files.make_folder(folder)
        joined = _claim(folder, dict(manifest), list(cases), fix)
        for name in (EMBEDDINGS, SCORES):
            _cut_to_lines(folder / name)
        embeddings = dict(_lines(folder / EMBEDDINGS, fix, _embedding))
        if len(sizes := {len(points) for points in embeddings.values()}) > 1:
            raise UserError(f"{folder / EMBEDDINGS}: damaged (points of {sizes} dimensions); {fix}")
        scores = {key: row for key, row in _lines(folder / SCORES, fix, _scores) if key in embeddings}
        return cls(folder, joined, cases, scores, embeddings)

    @classmethod
    def read(cls, folder: str | Path) -> "Results":
        """The finished results in `folder`, read-only and without the embeddings.

        Outputs that were not scored on all cases, as in a run that was stopped, are left out.

        Raises:
            UserError: no such folder, a file in it is missing or damaged, or a bound is not scored.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise unfinished(folder, "no such folder", folder)
        for name in (MANIFEST, CASES, SCORES, TABLES):
            if not (folder / name).is_file():
                raise unfinished(folder / name, "is missing", folder)
        fix = remedy(folder)
        cases = _lines(folder / CASES, fix, from_json)
        scores = dict(_lines(folder / SCORES, fix, _scores))
        with files.reading(folder / MANIFEST, fix):
            manifest = files.read_json(folder / MANIFEST, fix=fix)
            results = cls(folder, manifest, cases, scores, {}, tables.read(folder / TABLES))
            complete = {*map(Output, BOUNDS), *results.complete(cases, results.outputs)}
            results.scores = {key: row for key, row in scores.items() if Output(*key[1:]) in complete}
            results._check()
        return results

    # -- what was scored

    @property
    def outputs(self) -> list[Output]:
        """Every output that was scored, in order."""
        return list(dict.fromkeys(Output(*key[1:]) for key in self.scores))

    @property
    def systems(self) -> list[str]:
        """The rows that are not bounds: models and other systems."""
        return list(dict.fromkeys(output.row for output in self.outputs if output.row not in BOUNDS))

    def answers(self, output: Output) -> bool:
        """Whether `output` is a swap: neither a bound nor a model's reconstruction."""
        return output.row not in BOUNDS and (
            bool(output.levels) or output.row not in self.manifest["checkpoints"]
        )

    def complete(self, cases: Sequence[Case], outputs: Sequence[Output]) -> list[Output]:
        """Those of `outputs` that have a score for each of `cases`."""
        return [output for output in outputs if all(self.has(case, output) for case in cases)]

    def column(self, output: Output, cases: Sequence[Case], metric: str) -> np.ndarray:
        """A metric of one output for each of `cases`: (cases,)."""
        with files.reading(self.folder / SCORES, remedy(self.folder)):
            return np.array([self.scores[(case.id, *output)][metric] for case in cases])

    def judged(self, output: Output, cases: Sequence[Case], metric: str) -> bool:
        """Whether the output has a value of the metric for each of `cases`."""
        return all(metric in self.scores[(case.id, *output)] for case in cases)

    def embeddings(self, output: Output, cases: Sequence[Case]) -> np.ndarray:
        """The embeddings of one output: (cases, dim), float32."""
        return np.stack([self._embeddings[(case.id, *output)] for case in cases])

    @property
    def report_cases(self) -> list[Case]:
        """The cases whose sound was kept."""
        return [case for case in self.cases if self._inside(AUDIO, case.id).is_dir()]

    def sounds(self, case: Case) -> dict[str | Output, Path]:
        """The files of a case's sounds: of each of `SOURCES`, and of each output that is not one of them.

        Raises:
            UserError: one of them is missing.
        """
        paths: dict[str | Output, Path] = {key: self._inside(AUDIO, case.id, f"{key}.wav") for key in SOURCES}
        for output in self.outputs:
            if output.row == CODEC or output.row not in BOUNDS:
                paths[output] = self._inside(AUDIO, case.id, f"{' '.join(output).strip()}.wav")
        for path in paths.values():
            if not path.is_file():
                raise unfinished(path, "is missing", self.folder)
        return paths

    # -- while it grows

    def has(self, case: Case, output: Output) -> bool:
        """Whether the output was scored on the case."""
        return (case.id, *output) in self.scores

    def add(
        self, output: Output, cases: Sequence[Case], scores: Sequence[Scores], embeddings: np.ndarray
    ) -> None:
        """Add the scores of one output on a batch of cases; scores that the folder has already stay.

        embeddings: (cases, dim), for the set metrics.
        """
        new = [index for index, case in enumerate(cases) if not self.has(case, output)]
        keys = [(cases[index].id, *output) for index in new]
        points = [np.asarray(embeddings[index], np.float32) for index in new]
        rows = [scores[index] for index in new]
        _append(self.folder / EMBEDDINGS, keys, [{"embedding": _pack(point)} for point in points])
        _append(self.folder / SCORES, keys, rows)
        self._embeddings.update(zip(keys, points, strict=True))
        self.scores.update(zip(keys, rows, strict=True))

    # -- checks of a finished folder

    def _inside(self, *parts: str) -> Path:
        path = self.folder.joinpath(*parts)
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.folder)):
            raise unfinished(path, "is outside the results folder", self.folder)
        return path

    def _check(self) -> None:
        """Check that the manifest is complete, that every output of every case is scored, and that the sound
        of as many cases as were asked for is there."""
        for name in ("date", "seed"):
            self.manifest[name]
        for checkpoint in self.manifest["checkpoints"].values():
            checkpoint["hash"][:1]
        for name, content in ((CASES, self.cases), (TABLES, self.tables)):
            if not content:
                raise unfinished(self.folder / name, "is empty", self.folder)
        for case in self.cases:
            for output in dict.fromkeys([*map(Output, BOUNDS), *self.outputs]):
                scores = self.scores.get((case.id, *output), {})
                if not {PITCH if case.set == "notes" else F1, TOP1} <= scores.keys():
                    name = " ".join([f"{case.id}:", *output]).strip()
                    raise unfinished(self.folder / SCORES, f"has no scores of {name}", self.folder)
        kept = min(self.manifest["settings"]["report cases"], len(self.cases))
        if len(self.report_cases) != kept:
            reason = f"has the sound of {len(self.report_cases)} cases instead of {kept}"
            raise unfinished(self.folder / AUDIO, reason, self.folder)
        for case in self.report_cases:
            self.sounds(case)


def unfinished(where: str | Path, reason: str, folder: Path) -> UserError:
    """An error that says what is wrong with the results in `folder`, and how to complete them."""
    return UserError(f"{printable(where)}: {reason}; {remedy(folder)}")


def remedy(folder: Path) -> str:
    """The text that says how to complete the results in `folder`."""
    return f"run python experiments/evaluate.py --out {printable(folder)} again, with the options it had"


# -- a folder that is continued


def _claim(folder: Path, manifest: dict[str, Any], cases: list[Case], fix: str) -> dict[str, Any]:
    """The manifest joined with that of earlier runs; it is written, as are the cases if they are new.

    Raises:
        UserError: the folder has other settings, cases or checkpoints, or is damaged.
    """
    manifest = json.loads(json.dumps({"format": FORMAT, **manifest}))
    path = folder / MANIFEST
    if path.exists():
        with files.reading(path, fix):
            _join(folder, manifest, files.read_json(path, fix=fix))
        if _lines(folder / CASES, fix, from_json) != cases:
            raise _other(folder, "cases", "those in cases.jsonl", "others")
    else:
        with files.atomic(folder / CASES) as temporary:
            temporary.write_text("".join(json.dumps(to_json(case)) + "\n" for case in cases))
    with files.atomic(path) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def _join(folder: Path, manifest: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Add the systems of the manifest `before` to `manifest`; both have to agree in all else."""
    for name in SAME:
        if before.get(name) != manifest.get(name):
            raise _other(folder, name, before.get(name), manifest.get(name))
    kinds: dict[str, str] = {}
    for kind, called in SYSTEMS.items():
        joined = manifest.setdefault(kind, {})
        for row, system in before.get(kind, {}).items():
            given = joined.setdefault(row, system)
            if given["hash"] != system["hash"]:
                hashes = system["hash"][:12], given["hash"][:12]
                raise _other(folder, f"{called} '{row}'", *hashes, ", or another name")
        if both := sorted(kinds.keys() & joined.keys()):
            raise UserError(
                f"{folder}: '{both[0]}' is one of the {kinds[both[0]]} and one of the {kind}; "
                "give one of them another name, as NAME=PATH, or choose another --out"
            )
        kinds |= dict.fromkeys(joined, kind)


def _other(folder: Path, name: str, before: Any, given: Any, more: str = "") -> UserError:
    """The error for a folder whose `name` is `before`, not `given`. more: further ways out."""
    return UserError(
        f"{folder}: made with another {name} ({_short(before)}; now {_short(given)}); "
        f"delete it or choose another --out{more}"
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) < 200 else text[:200] + " ..."


def _cut_to_lines(path: Path) -> None:
    """Make the file if it is missing, and remove an incomplete last line."""
    with open(path, "a+b") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def _append(path: Path, keys: Sequence[Key], values: Sequence[Mapping[str, Any]]) -> None:
    names = ("case", "row", "levels")
    lines = [
        json.dumps({**dict(zip(names, key, strict=True)), **value}) + "\n"
        for key, value in zip(keys, values, strict=True)
    ]
    with path.open("a") as file:
        file.write("".join(lines))


def _pack(embedding: np.ndarray) -> str:
    return base64.b64encode(embedding.astype("<f4").tobytes()).decode()


# -- lines of a folder's files


def _lines(path: Path, fix: str, parse: Callable[[Any], Parsed]) -> list[Parsed]:
    """The results of `parse` for the JSON of each line; errors name the line."""
    values = []
    for number, line in enumerate(files.read_text(path, fix).splitlines(), start=1):
        with files.reading(f"{path}, line {number}", fix):
            values.append(parse(json.loads(line)))
    return values


def _scores(line: dict[str, Any]) -> tuple[Key, Scores]:
    key = _key(line)
    for name, value in line.items():
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError(f"'{name}' is no number")
    return key, line


def _embedding(line: dict[str, Any]) -> tuple[Key, np.ndarray]:
    points = np.frombuffer(base64.b64decode(line["embedding"]), "<f4")
    if not np.isfinite(points).all():
        raise ValueError("the embedding has NaN or infinite values")
    return _key(line), points


def _key(line: dict[str, Any]) -> Key:
    """The key of a line, which is removed from it."""
    key = line.pop("case"), line.pop("row"), line.pop("levels")
    if not all(isinstance(part, str) for part in key):
        raise ValueError("names are no text")
    return key
