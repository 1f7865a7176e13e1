"""SwapBench's tables, and Tables 1, 4 and 5 of the thesis."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from msdae.evaluation.metrics.bootstrap import interval, interval_of
from msdae.evaluation.metrics.frechet import fad, fad_infinity
from msdae.evaluation.metrics.kernel import kad
from msdae.evaluation.swapbench import scores as scoring
from msdae.evaluation.swapbench.cases import Case
from msdae.evaluation.swapbench.results import Results
from msdae.evaluation.swapbench.systems import CODEC, COPY_TIMBRE, TRUTH, Output
from msdae.evaluation.tables import Table

FEWEST = 4  # clips that a distance between sets is given for
EMPTY = "-"
GROUPS = {
    "monophonic melodies": ("monophonic",),
    "melodies of two voices and more": ("two voices", "polyphonic"),
    "notes": ("note",),
}
INTERVALS = "Means with bootstrap 95 % intervals over melody pieces."
ARROWS = {scoring.LOG_MEL: "↓", scoring.MSE: "↓"}  # every other metric is better the higher

# The thesis's Tables 1, 4 and 5 (CLAP, NSynth and Slakh2100): h1, h2, h3, reconstruction.
THESIS_FAD = {"HDAE (thesis)": ("0.55", "0.55"), "MSDAE (thesis)": ("0.56", "0.41")}
THESIS_TRANSFER = {
    "notes": {
        "HDAE (thesis)": ("0.29", "0.06", "0.01", "0.74", "0.59", "0.74", "0.69", "0.97"),
        "MSDAE (thesis)": ("0.03", "0.06", "0.16", "0.47", "0.61", "0.62", "0.84", "0.95"),
    },
    "melodies": {
        "HDAE (thesis)": ("0.039", "0.047", "0.025", "0.18", "0.81", "0.60", "0.58", "0.93"),
        "MSDAE (thesis)": ("0.090", "0.055", "0.022", "0.27", "0.63", "0.62", "0.75", "0.95"),
    },
}


def melody_metric(kind: str) -> str:
    """What the swap score takes for the melody of the set `kind`: of a single note, its pitch."""
    return scoring.PITCH if kind == "notes" else scoring.F1


def swap_score(means: np.ndarray) -> np.ndarray:
    """Harmonic mean of the melody's and the timbre's share of what the codec allows, each at most 1.

    means: (draws, 4): melody, timbre top-1, and the same of the codec's round trip -> (draws,), 0 to 1.
    """
    melody, timbre, melody_ceiling, timbre_ceiling = np.asarray(means, dtype=float).T
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = [
            np.where(ceiling > 0, np.minimum(1.0, share / ceiling), 0.0)
            for share, ceiling in ((melody, melody_ceiling), (timbre, timbre_ceiling))
        ]
        total = shares[0] + shares[1]
        return np.where(total > 0, 2 * shares[0] * shares[1] / total, 0.0)


@dataclass(frozen=True)
class Figure:
    """A figure over cases with its bootstrap 95 % interval."""

    value: float
    low: float
    high: float

    def cell(self, digits: int = 3) -> str:
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def mean(results: Results, output: Output, cases: Sequence[Case], metric: str) -> Figure:
    values = results.column(output, cases, metric)
    return Figure(float(values.mean()), *interval(values, _pieces(cases)))


def score(results: Results, output: Output, cases: Sequence[Case]) -> Figure:
    """The swap score over `cases`, which are of one set."""
    metrics = (melody_metric(cases[0].set), scoring.TOP1)
    columns = [results.column(made, cases, metric) for made in (output, Output(CODEC)) for metric in metrics]
    values = np.stack(columns, axis=1)
    value = float(swap_score(values.mean(axis=0)[None])[0])
    return Figure(value, *interval_of(swap_score, values, _pieces(cases)))


def swapbench(results: Results, command: str = "") -> tuple[list[Table], list[Table]]:
    """The short tables, one a split, and the full ones."""
    short, full = [], []
    for split in dict.fromkeys(case.split for case in results.cases):
        cases = [case for case in results.cases if case.split == split]
        short.append(_short(results, split, cases, command))
        for group, textures in GROUPS.items():
            chosen = [case for case in cases if case.texture in textures]
            if chosen:
                full.append(_full(results, f"SwapBench, {split} split: {group}", chosen, command))
        for kind in dict.fromkeys(case.set for case in cases):
            chosen = [case for case in cases if case.set == kind]
            full.append(_sets(results, f"SwapBench, {split} split: sets of {kind}", chosen, command))
    return short, full


def thesis(results: Results, split: str, command: str = "") -> list[Table]:
    """Tables 1, 4 and 5 on the cases of one split."""
    cases = [case for case in results.cases if case.split == split]
    sets = {kind: [case for case in cases if case.set == kind] for kind in ("notes", "melodies")}
    return [
        _table1(results, split, sets, command),
        *(
            _transfer(results, f"Table {number}: transfer, {name}", kind, sets[kind], split, command)
            for number, name, kind in ((4, "NSynth / notes", "notes"), (5, "Slakh / melodies", "melodies"))
            if sets[kind]
        ),
    ]


# -- SwapBench


def _short(results: Results, split: str, cases: Sequence[Case], command: str) -> Table:
    columns: list[tuple[str, Callable[[Output], Figure]]] = []
    for kind in dict.fromkeys(case.set for case in cases):
        chosen = [case for case in cases if case.set == kind]
        for metric in (melody_metric(kind), scoring.TOP1):
            columns.append((f"{kind}: {metric} ↑", _column(results, chosen, metric)))
        columns.append((f"{kind}: swap score ↑", _score_column(results, chosen)))
    note = (
        f"{_size(results, cases)}. Levels in braces come from the timbre source. Swap score: harmonic mean "
        f"of the melody's and the timbre's share of what the codec allows. {INTERVALS}"
    )
    return _table(f"SwapBench, {split} split", results, cases, columns, note, command, digits=2)


def _full(results: Results, title: str, cases: Sequence[Case], command: str) -> Table:
    metrics = [scoring.F1, scoring.F1_WIDE, scoring.F1_HEARD]
    metrics += [scoring.PITCH] if cases[0].set == "notes" else []
    metrics += [scoring.TIMBRE, scoring.TOP1, scoring.LOG_MEL, scoring.SSIM, scoring.MSE]
    columns = [(f"{name} {ARROWS.get(name, '↑')}", _column(results, cases, name)) for name in metrics]
    columns.append(("swap score ↑", _score_column(results, cases)))
    note = (
        f"{_size(results, cases)}. F1 against the notes that were played (onsets within 50 or 100 ms) and "
        "against those that are heard in the truth; timbre and distances against the truth; top-1 among the "
        f"split's instruments. {INTERVALS}"
    )
    return _table(title, results, cases, columns, note, command)


def _sets(results: Results, title: str, cases: Sequence[Case], command: str) -> Table:
    header = ["output"]
    header += [f"{name} to {row} ↓" for row in (TRUTH, CODEC) for name in ("FAD", "FAD-infinity", "KAD")]
    with _Remarks() as remarks:
        rows = [
            (label(output, results), *_distances(results, Output(TRUTH), output, cases))
            + _distances(results, Output(CODEC), output, cases)
            for output in results.complete(cases, results.outputs())
        ]
    embedding = results.manifest["settings"]["embedding"]["name"]
    note = f"{_size(results, cases)}. Embedding: {embedding}.{remarks}"
    return Table(title, tuple(header), tuple(rows), note, command)


# -- the thesis


def _table1(results: Results, split: str, sets: dict[str, list[Case]], command: str) -> Table:
    names = [f"{name}, {kind} ↓" for kind in sets for name in ("FAD", "FAD-infinity", "KAD")]
    rows = [
        (name, notes, EMPTY, EMPTY, melodies, EMPTY, EMPTY) for name, (notes, melodies) in THESIS_FAD.items()
    ]
    cases = [case for chosen in sets.values() for case in chosen]
    with _Remarks() as remarks:
        for output in _reconstructions(results, cases):
            found = [_distances(results, _whole(results, cases), output, chosen) for chosen in sets.values()]
            rows.append((label(output, results), *(cell for cells in found for cell in cells)))
    embedding = results.manifest["settings"]["embedding"]["name"]
    note = (
        f"Reconstructions against their originals, {_size(results, cases)} ({split}). The thesis: embedding "
        f"CLAP, NSynth (notes) and Slakh2100 (melodies). Here: embedding '{embedding}'"
        + ("; its distances are not on CLAP's scale" if embedding != "clap" else "")
        + f".{remarks}"
    )
    return Table("Table 1: FAD of reconstructions", ("model", *names), tuple(rows), note, command)


def _transfer(
    results: Results, title: str, kind: str, cases: Sequence[Case], split: str, command: str
) -> Table:
    melody = scoring.TARGET_PITCH if kind == "notes" else scoring.TARGET_F1
    metrics = (melody, scoring.TARGET_TIMBRE)
    header = tuple(
        f"{name} {column} ↑"
        for name in (melody_metric(kind), "timbre")
        for column in ("h1", "h2", "h3", "rec")
    )
    rows = [(name, *cells) for name, cells in THESIS_TRANSFER[kind].items()]
    complete = results.complete(cases, results.outputs())
    for row in results.manifest["checkpoints"]:
        made = [Output(row, levels) for levels in ("1", "2", "3", "")]
        cells = (
            mean(results, output, cases, metric).cell(2 if kind == "notes" else 3)
            if output in complete
            else EMPTY
            for metric in metrics
            for output in made
        )
        if Output(row) in complete:
            rows.append((row, *cells))
    whole = "the truth" if _whole(results, cases).row == TRUTH else "the target"
    note = (
        f"{_size(results, cases)} ({split}). Column h_k: level k comes from the target, the others from "
        "another recording; melody and timbre of the output are compared with the target's. A level that "
        "holds the melody scores high on the left, one that holds the timbre on the right. The target is the "
        f"case's timbre source. rec: {whole}, reconstructed and compared with itself. The thesis: NSynth and "
        f"Slakh2100, its own timbre network. {INTERVALS}"
    )
    return Table(title, ("model", *header), tuple(rows), note, command)


def _reconstructions(results: Results, cases: Sequence[Case]) -> list[Output]:
    wanted = [Output(CODEC), *(Output(row) for row in results.manifest["checkpoints"])]
    return results.complete(cases, wanted)


def _whole(results: Results, cases: Sequence[Case]) -> Output:
    """The output that is what reconstructions start from."""
    return (results.complete(cases, [Output(TRUTH)]) or [Output(COPY_TIMBRE)])[0]


# -- cells


def label(output: Output, results: Results) -> str:
    """How a row of a table names an output."""
    if output.levels:
        return f"{output.row} {{{output.levels}}}"
    return f"{output.row}, reconstruction" if output.row in results.manifest["checkpoints"] else output.row


def _table(
    title: str,
    results: Results,
    cases: Sequence[Case],
    columns: Sequence[tuple[str, Callable[[Output], Figure]]],
    note: str,
    command: str,
    digits: int = 3,
) -> Table:
    rows = [
        (label(output, results), *(figure(output).cell(digits) for _, figure in columns))
        for output in results.complete(cases, results.outputs())
    ]
    return Table(title, ("output", *(name for name, _ in columns)), tuple(rows), note, command)


def _column(results: Results, cases: Sequence[Case], metric: str) -> Callable[[Output], Figure]:
    return lambda output: mean(results, output, cases, metric)


def _score_column(results: Results, cases: Sequence[Case]) -> Callable[[Output], Figure]:
    return lambda output: score(results, output, cases)


def _distances(
    results: Results, reference: Output, estimate: Output, cases: Sequence[Case]
) -> tuple[str, str, str]:
    """FAD, FAD-infinity and KAD of the set {estimate} against the set {reference}."""
    if len(cases) < FEWEST:
        return EMPTY, EMPTY, EMPTY
    sets = results.embeddings(reference, cases), results.embeddings(estimate, cases)
    return tuple(f"{distance(*sets):.3f}" for distance in (fad, fad_infinity, kad))


class _Remarks:
    """The warnings of the block as a sentence each, once."""

    def __enter__(self) -> "_Remarks":
        self._catcher = warnings.catch_warnings(record=True)
        self._caught = self._catcher.__enter__()
        warnings.simplefilter("always", UserWarning)
        return self

    def __exit__(self, *error) -> None:
        self._catcher.__exit__(*error)

    def __str__(self) -> str:
        return "".join(
            f" {text}." for text in dict.fromkeys(str(warning.message) for warning in self._caught)
        )


def _pieces(cases: Sequence[Case]) -> list[str]:
    return [case.melody.piece for case in cases]


def _size(results: Results, cases: Sequence[Case]) -> str:
    return f"{len(cases)} cases, seed {results.manifest['seed']}, {results.manifest['date']}"
