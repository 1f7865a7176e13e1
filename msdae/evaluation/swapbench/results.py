"""A results folder: scores are added line by line, so that a run that is stopped continues."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from msdae.errors import UserError
from msdae.evaluation import tables
from msdae.evaluation.swapbench.cases import Case, from_json, to_json
from msdae.evaluation.swapbench.scores import F1, PITCH, TOP1, Scores
from msdae.evaluation.swapbench.systems import BOUNDS, CODEC, TRUTH, Output
from msdae.files import atomic

MANIFEST, CASES, SCORES, EMBEDDINGS = "manifest.json", "cases.jsonl", "scores.jsonl", "embeddings.jsonl"
TABLES, AUDIO = "tables.json", "audio"
SAME = ("format", "seed", "splits", "codec", "settings", "data")  # what all rows of a folder share
SOURCES = ("timbre", "melody", TRUTH)  # the recordings that cases are made of
FORMAT = 1

Key = tuple[str, str, str]  # case, row, levels


class Results:
    """What was scored in `folder`. `begin` makes or continues a folder, `read` opens a finished one.

    A folder grows row by row: the same cases may be run with further checkpoints later.

    Attributes:
        manifest: `SAME`, the date, and of each checkpoint by its row's name a mapping with its "hash".
        cases: that are scored.
        scores: {(case, row, levels): {metric: value}}.
        tables: those of a folder that was read.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Mapping[str, Any],
        cases: Sequence[Case],
        scores: Mapping[Key, Scores],
        embeddings: Mapping[Key, str],
        tables: Sequence[tables.Table] = (),
    ):
        self.folder, self.manifest, self.cases, self.tables = folder, manifest, list(cases), list(tables)
        self.scores, self._embeddings = dict(scores), dict(embeddings)

    @classmethod
    def begin(cls, folder: str | Path, manifest: Mapping[str, Any], cases: Sequence[Case]) -> "Results":
        """The results in `folder`, new or continued. The manifest gets the checkpoints of earlier runs.

        Raises:
            UserError: the folder holds results of other settings, cases or checkpoints, or cannot be written.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            joined = _claim(folder, dict(manifest), list(cases))
            embeddings = {key: line["embedding"] for key, line in _continued(folder / EMBEDDINGS)}
            scores = {key: line for key, line in _continued(folder / SCORES) if key in embeddings}
        except OSError as error:
            raise UserError(
                f"{folder}: cannot be written ({error.strerror}); choose another --out"
            ) from error
        return cls(folder, joined, cases, scores, embeddings)

    @classmethod
    def read(cls, folder: str | Path) -> "Results":
        """The finished results in `folder`, for reading alone; the embeddings stay where they are.

        Raises:
            UserError: no such folder, a file in it is missing or damaged, or something is not scored.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise unfinished(folder, "no such folder", folder)
        if not (folder / TABLES).is_file():
            raise unfinished(folder / TABLES, "is missing", folder)
        try:
            manifest = _json(folder / MANIFEST, _text(folder, MANIFEST), folder)
            cases = list(map(from_json, _lines(folder, CASES)))
            scores = {_key(line): line for line in _lines(folder, SCORES)}
            results = cls(folder, manifest, cases, scores, {}, tables.read(folder / TABLES))
            results._check()
        except (KeyError, TypeError) as error:
            raise unfinished(folder, f"is not as this version writes it ({error!r})", folder) from error
        return results

    # -- what was scored

    @property
    def outputs(self) -> list[Output]:
        """Every output that was scored, in order."""
        return list(dict.fromkeys(Output(*key[1:]) for key in self.scores))

    @property
    def systems(self) -> list[str]:
        """The rows that are not bounds: models, and whatever else was scored."""
        return list(dict.fromkeys(output.row for output in self.outputs if output.row not in BOUNDS))

    def answers(self, output: Output) -> bool:
        """Whether `output` is an answer to the cases: neither a bound nor a model's reconstruction."""
        return output.row not in BOUNDS and (
            bool(output.levels) or output.row not in self.manifest["checkpoints"]
        )

    def complete(self, cases: Sequence[Case], outputs: Sequence[Output]) -> list[Output]:
        """Those of `outputs` that have a score for each of `cases`."""
        return [output for output in outputs if all(self.has(case, output) for case in cases)]

    def column(self, output: Output, cases: Sequence[Case], metric: str) -> np.ndarray:
        """A metric of one output over `cases`: (cases,)."""
        return np.array([self.scores[(case.id, *output)][metric] for case in cases])

    def embeddings(self, output: Output, cases: Sequence[Case]) -> np.ndarray:
        """(cases, dim), float32."""
        return np.stack([_unpack(self._embeddings[(case.id, *output)]) for case in cases])

    @property
    def report_cases(self) -> list[Case]:
        """The cases whose sound was kept."""
        return [case for case in self.cases if self._inside(AUDIO, case.id).is_dir()]

    def sounds(self, case: Case) -> dict[str | Output, Path]:
        """The wav of each of SOURCES, and of each output that is none.

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
        """Whether the output was scored."""
        return (case.id, *output) in self.scores

    def add(
        self, output: Output, cases: Sequence[Case], scores: Sequence[Scores], embeddings: np.ndarray
    ) -> None:
        """Add what one output of a batch of cases scored; what the folder has already stays.

        embeddings: (cases, dim), of the set metrics.
        """
        new = [index for index, case in enumerate(cases) if not self.has(case, output)]
        keys = [(cases[index].id, *output) for index in new]
        packed = [{"embedding": _pack(embeddings[index])} for index in new]
        rows = [scores[index] for index in new]
        _append(self.folder / EMBEDDINGS, keys, packed)
        _append(self.folder / SCORES, keys, rows)
        self._embeddings.update(zip(keys, (line["embedding"] for line in packed), strict=True))
        self.scores.update(zip(keys, rows, strict=True))

    # -- checks of a finished folder

    def _inside(self, *parts: str) -> Path:
        path = self.folder.joinpath(*parts)
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise unfinished(path, "is outside the results folder", self.folder)
        return path

    def _check(self) -> None:
        """The manifest says how it was made, every output of every case is scored, and the sound of as many
        cases as were asked for is kept."""
        if missing := [name for name in ("date", "seed") if name not in self.manifest]:
            raise unfinished(self.folder / MANIFEST, f"is damaged (no '{missing[0]}')", self.folder)
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
    """What is wrong with the results in `folder`, and the command that completes them."""
    return UserError(f"{where}: {reason}; run: python experiments/evaluate.py --out {folder}")


# -- a folder that is continued


def _claim(folder: Path, manifest: dict[str, Any], cases: list[Case]) -> dict[str, Any]:
    """The manifest with what earlier runs say; both files are written."""
    manifest = json.loads(json.dumps({"format": FORMAT, **manifest}))
    path, lines = folder / MANIFEST, folder / CASES
    if path.exists():
        before = _manifest(path)
        for name in SAME:
            if before.get(name) != manifest.get(name):
                raise _other(folder, name, before.get(name), manifest.get(name))
        for row, checkpoint in before["checkpoints"].items():
            given = manifest["checkpoints"].setdefault(row, checkpoint)
            if given["hash"] != checkpoint["hash"]:
                raise _other(folder, f"checkpoint '{row}'", checkpoint["hash"][:12], given["hash"][:12])
        if [from_json(json.loads(line)) for line in lines.read_text().splitlines()] != cases:
            raise _other(folder, "cases", "those in cases.jsonl", "others")
    else:
        with atomic(lines) as temporary:
            temporary.write_text("".join(json.dumps(to_json(case)) + "\n" for case in cases))
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def _other(folder: Path, name: str, before: Any, given: Any) -> UserError:
    return UserError(
        f"{folder}: made with another {name} ({_short(before)}; now {_short(given)}); "
        "delete it or choose another --out"
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) < 200 else text[:200] + " ..."


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text())
        manifest["checkpoints"].items()
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise UserError(f"{path}: damaged ({error}); delete {path.parent} or choose another --out") from error
    return manifest


def _continued(path: Path) -> Iterator[tuple[Key, dict[str, Any]]]:
    """The lines of a file that may have been cut short in its last one, which is taken off."""
    if not path.exists():
        return
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        with path.open("r+b") as file:
            file.truncate(end)
    for number, line in enumerate(content[:end].splitlines(), start=1):
        try:
            values = json.loads(line)
            key = _key(values)
        except (ValueError, KeyError, AttributeError) as error:
            raise UserError(f"{path}, line {number}: damaged; delete {path.parent} or this line") from error
        yield key, values


def _append(path: Path, keys: Sequence[Key], values: Sequence[Mapping[str, Any]]) -> None:
    names = ("case", "row", "levels")
    lines = [
        json.dumps({**dict(zip(names, key, strict=True)), **value}) + "\n"
        for key, value in zip(keys, values, strict=True)
    ]
    with path.open("a") as file:
        file.write("".join(lines))


def _key(line: dict[str, Any]) -> Key:
    """What a line is of; the rest of it stays."""
    return line.pop("case"), line.pop("row"), line.pop("levels")


def _pack(embedding: np.ndarray) -> str:
    return base64.b64encode(np.asarray(embedding, "<f4").tobytes()).decode()


def _unpack(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4")


# -- a finished folder


def _lines(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(_text(folder, name).splitlines(), start=1):
        yield _json(f"{folder / name}, line {number}", line, folder)


def _text(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except OSError as error:
        raise unfinished(folder / name, f"cannot be read ({error.strerror})", folder) from error
    except UnicodeDecodeError as error:
        raise unfinished(folder / name, "is damaged (not UTF-8)", folder) from error


def _json(where: str | Path, text: str, folder: Path) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise unfinished(where, f"is damaged ({error})", folder) from error
    if not isinstance(value, dict):
        raise unfinished(where, "is damaged (not an object)", folder)
    return value
