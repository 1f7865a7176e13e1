"""The results folder of the benchmark, read back and checked."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from msdae.errors import UserError
from msdae.evaluation import tables
from msdae.evaluation.swapbench.cases import Case, from_json
from msdae.evaluation.swapbench.results import CASES, MANIFEST, SCORES
from msdae.evaluation.swapbench.scores import TOP1
from msdae.evaluation.swapbench.systems import BOUNDS, CODEC, TRUTH, Output
from msdae.evaluation.swapbench.tables import melody_metric

SOURCES = ("timbre", "melody", TRUTH)  # the recordings that cases are made of


@dataclass(frozen=True)
class Results:
    """What `experiments/evaluate.py` writes.

    folder: where; every file that is read lies in it.
    manifest: date, seed, codec and checkpoints. cases: by their id, in the order of the file.
    scores: of each output of each case, {metric: value}.
    """

    folder: Path
    manifest: Mapping[str, Any]
    cases: Mapping[str, Case]
    scores: Mapping[tuple[str, Output], Mapping[str, float]]
    tables: list[tables.Table]

    @cached_property
    def outputs(self) -> list[Output]:
        """Everything that was scored, in the order of the scores."""
        return list(dict.fromkeys(output for _, output in self.scores))

    @property
    def systems(self) -> list[str]:
        """The rows that are not bounds: models, and whatever else was scored."""
        return list(dict.fromkeys(output.row for output in self.outputs if output.row not in BOUNDS))

    def answers(self, output: Output) -> bool:
        """Whether `output` is an answer to the cases: neither a bound nor a model's reconstruction."""
        return output.row not in BOUNDS and (
            bool(output.levels) or output.row not in self.manifest["checkpoints"]
        )

    @cached_property
    def report_cases(self) -> list[str]:
        """The ids of the cases whose sound was kept, in the order of the cases."""
        return [name for name in self.cases if self._inside("audio", name).is_dir()]

    def sounds(self, case: str) -> dict[str | Output, Path]:
        """The wav of each of SOURCES, and of each output that is none.

        Raises:
            UserError: one of them is missing.
        """
        paths: dict[str | Output, Path] = {key: self._inside("audio", case, f"{key}.wav") for key in SOURCES}
        for output in self.outputs:
            if output.row == CODEC or output.row not in BOUNDS:
                paths[output] = self._inside("audio", case, f"{' '.join(output).strip()}.wav")
        for path in paths.values():
            if not path.is_file():
                raise unfinished(path, "is missing", self.folder)
        return paths

    def _inside(self, *parts: str) -> Path:
        path = self.folder.joinpath(*parts)
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise unfinished(path, "is outside the results folder", self.folder)
        return path


def read(folder: str | Path) -> Results:
    """The results in `folder`.

    Raises:
        UserError: no such folder, or a file in it is missing or damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise unfinished(folder, "no such folder", folder)
    if not (folder / "tables.json").is_file():
        raise unfinished(folder / "tables.json", "is missing", folder)
    try:
        manifest = _json(folder / MANIFEST, _text(folder, MANIFEST), folder)
        cases = {case.id: case for case in map(from_json, _lines(folder, CASES))}
        scores = {_scored(line): line for line in _lines(folder, SCORES)}
        results = Results(folder, manifest, cases, scores, tables.load(folder / "tables.json"))
        _check(results)
    except (KeyError, TypeError) as error:
        raise unfinished(folder, f"is not as this version writes it ({error!r})", folder) from error
    return results


def _scored(line: dict[str, Any]) -> tuple[str, Output]:
    """What the line of scores is of; the metrics stay in it."""
    return line.pop("case"), Output(line.pop("row"), line.pop("levels"))


def _check(results: Results) -> None:
    """Every output of every case is scored, and the sound of as many cases as were asked for is whole."""
    for case in results.cases.values():
        for output in dict.fromkeys([*map(Output, BOUNDS), *results.outputs]):
            found = results.scores.get((case.id, output), {})
            if not {melody_metric(case.set), TOP1} <= found.keys():
                name = " ".join([f"{case.id}:", *output]).strip()
                raise unfinished(results.folder / SCORES, f"has no scores of {name}", results.folder)
    kept = min(results.manifest["settings"]["report cases"], len(results.cases))
    if len(results.report_cases) != kept:
        found = f"has the sound of {len(results.report_cases)} cases instead of {kept}"
        raise unfinished(results.folder / "audio", found, results.folder)
    for case in results.report_cases:
        results.sounds(case)


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


def unfinished(where: str | Path, reason: str, folder: Path) -> UserError:
    """What is wrong with the results in `folder`, and the command that makes them whole."""
    return UserError(f"{where}: {reason}; run: python experiments/evaluate.py --out {folder}")
