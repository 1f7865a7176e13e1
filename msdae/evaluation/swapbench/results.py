"""A results folder: scores are added line by line, so that a run that is stopped continues."""

import base64
import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from msdae.checkpoint import atomic
from msdae.errors import UserError
from msdae.evaluation import tables
from msdae.evaluation.swapbench.cases import Case, from_json, to_json
from msdae.evaluation.swapbench.scores import Scores
from msdae.evaluation.swapbench.systems import Output

MANIFEST, CASES, SCORES, EMBEDDINGS = "manifest.json", "cases.jsonl", "scores.jsonl", "embeddings.jsonl"
SAME = ("format", "seed", "splits", "codec", "settings", "data")  # what all rows of a folder share
FORMAT = 1

Key = tuple[str, str, str]  # case, row, levels


class Results:
    """The results in `folder`, new or continued.

    A folder grows row by row: the same cases may be run with further checkpoints later.

    Args:
        folder: made where missing.
        manifest: `SAME`, the date, and of each checkpoint by its row's name a mapping with its "hash".
        cases: that are scored.

    Attributes:
        scores: {(case, row, levels): {metric: value}}.
        cases, manifest: as given; the manifest with the checkpoints of earlier runs.

    Raises:
        UserError: the folder holds results of other settings, cases or checkpoints, or cannot be written.
    """

    def __init__(self, folder: str | Path, manifest: Mapping[str, Any], cases: Sequence[Case]):
        self.folder, self.cases = Path(folder), list(cases)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.manifest = self._claim(dict(manifest))
            self.scores: dict[Key, Scores] = dict(_read(self.folder / SCORES))
            self._embeddings = {key: line["embedding"] for key, line in _read(self.folder / EMBEDDINGS)}
        except OSError as error:
            raise UserError(
                f"{folder}: cannot be written ({error.strerror}); choose another --out"
            ) from error

    def has(self, case: Case, output: Output) -> bool:
        key = (case.id, *output)
        return key in self.scores and key in self._embeddings

    def add(
        self, output: Output, cases: Sequence[Case], scores: Sequence[Scores], embeddings: np.ndarray
    ) -> None:
        """Add what one output of a batch of cases scored; what is there already stays.

        embeddings: (cases, dim), of the set metrics.
        """
        new = [index for index, case in enumerate(cases) if not self.has(case, output)]
        keys = [(cases[index].id, *output) for index in new]
        packed = [{"embedding": _pack(embeddings[index])} for index in new]
        found = [scores[index] for index in new]
        _append(self.folder / EMBEDDINGS, keys, packed)
        _append(self.folder / SCORES, keys, found)
        self._embeddings.update(zip(keys, (line["embedding"] for line in packed), strict=True))
        self.scores.update(zip(keys, found, strict=True))

    def outputs(self) -> list[Output]:
        """Every output that was scored, in order."""
        return list(dict.fromkeys(Output(*key[1:]) for key in self.scores))

    def complete(self, cases: Sequence[Case], outputs: Sequence[Output]) -> list[Output]:
        """Those of `outputs` that have a score for each of `cases`."""
        return [output for output in outputs if all(self.has(case, output) for case in cases)]

    def column(self, output: Output, cases: Sequence[Case], metric: str) -> np.ndarray:
        """A metric of one output over `cases`: (cases,)."""
        return np.array([self.scores[(case.id, *output)][metric] for case in cases])

    def embeddings(self, output: Output, cases: Sequence[Case]) -> np.ndarray:
        """(cases, dim), float32."""
        return np.stack([_unpack(self._embeddings[(case.id, *output)]) for case in cases])

    def _claim(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """The manifest with what earlier runs say; both files are written."""
        manifest = json.loads(json.dumps({"format": FORMAT, **manifest}))
        path, cases = self.folder / MANIFEST, self.folder / CASES
        if path.exists():
            there = _load(path)
            for name in SAME:
                if there.get(name) != manifest.get(name):
                    self._refuse(name, there.get(name), manifest.get(name))
            for row, checkpoint in there["checkpoints"].items():
                now = manifest["checkpoints"].setdefault(row, checkpoint)
                if now["hash"] != checkpoint["hash"]:
                    self._refuse(f"checkpoint '{row}'", checkpoint["hash"][:12], now["hash"][:12])
            if [from_json(json.loads(line)) for line in cases.read_text().splitlines()] != self.cases:
                self._refuse("cases", "those in cases.jsonl", "others")
        else:
            with atomic(cases) as temporary:
                temporary.write_text("".join(json.dumps(to_json(case)) + "\n" for case in self.cases))
        with atomic(path) as temporary:
            temporary.write_text(json.dumps(manifest, indent=1) + "\n")
        return manifest

    def _refuse(self, what: str, there: Any, now: Any) -> None:
        raise UserError(
            f"{self.folder}: made with another {what} ({_short(there)}; now {_short(now)}); "
            "delete it or choose another --out"
        )


def write_tables(folder: str | Path, made: Sequence[tables.Table]) -> None:
    """Write tables.json, tables.md and tables.csv."""
    contents = {
        "tables.json": json.dumps([vars(table) for table in made], indent=1),
        "tables.md": "\n\n".join(table.markdown() for table in made),
        "tables.csv": _csv(made),
    }
    for name, content in contents.items():
        with atomic(Path(folder) / name) as temporary:
            temporary.write_text(content.rstrip("\n") + "\n", encoding="utf-8")


def _csv(made: Sequence[tables.Table]) -> str:
    """A line a cell: table, row, column, value, and the ends of its interval where there is one."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("table", "row", "column", "value", "low", "high"))
    for table in made:
        for name, *cells in table.rows:
            for column, cell in zip(table.header[1:], cells, strict=True):
                value, _, ends = cell.partition(" [")
                low, _, high = ends.rstrip("]").partition(", ")
                writer.writerow((table.title, name, column, value, low, high))
    return text.getvalue()


def _load(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
        found["checkpoints"].items()
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise UserError(f"{path}: damaged ({error}); delete {path.parent} or choose another --out") from error
    return found


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) < 200 else text[:200] + " ..."


def _read(path: Path) -> Iterator[tuple[Key, dict[str, Any]]]:
    """The lines of a file that may have been cut short in its last one, which is taken off."""
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)
    for number, line in enumerate(content[:whole].splitlines(), start=1):
        try:
            values = json.loads(line)
            key = (values.pop("case"), values.pop("row"), values.pop("levels"))
        except (ValueError, KeyError) as error:
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


def _pack(embedding: np.ndarray) -> str:
    return base64.b64encode(np.asarray(embedding, "<f4").tobytes()).decode()


def _unpack(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4")
