"""SwapBench's tables, and Tables 1, 4 and 5 of the thesis."""

import warnings
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from msdae.evaluation.metrics import f0
from msdae.evaluation.metrics.bootstrap import interval_of
from msdae.evaluation.metrics.scoring import FEWEST, SET_METRICS
from msdae.evaluation.swapbench import real
from msdae.evaluation.swapbench import scores as scoring
from msdae.evaluation.swapbench.cases import HEARD, Case
from msdae.evaluation.swapbench.results import Results
from msdae.evaluation.swapbench.systems import BOUNDS, CODEC, COPY_TIMBRE, TRUTH, UNTAUGHT, Output
from msdae.evaluation.tables import EMPTY, Cell, Table, Value, counted, mean_cell

Column = Callable[[Results, Output], Cell]

GROUPS: dict[str, Callable[[Case], bool]] = {
    "monophonic melodies": lambda case: case.texture == "monophonic",
    "melodies of two voices and more": lambda case: case.texture in ("two voices", "polyphonic"),
    "notes": lambda case: case.set == "notes",
}
ROOMS: dict[str, Callable[[Case], bool]] = {
    "clean melodies": lambda case: case.set == "melodies" and not case.timbre.room,
    "melodies in a room": lambda case: case.set == "melodies" and bool(case.timbre.room),
}
FURTHER: dict[str, dict[str, Callable[[Case], bool]]] = {
    **dict.fromkeys(real.SPLITS, ROOMS),
    "unseen": {
        "melodies, samples never heard": lambda case: (
            case.set == "melodies" and case.timbre.program not in HEARD
        )
    },
}  # {split: its further groups}
INTERVALS = "Means with bootstrap 95 % intervals over melody pieces."
SWAP_SCORE, MELODY_SHARE, TIMBRE_SHARE = "swap score ↑", "melody ↑", "timbre ↑"  # columns of `shares`
SYSTEM, PART, LEVELS = "system", "part", "levels from the timbre source"
BOUND, ANSWER, RECONSTRUCTION = "bound", "answer", "reconstruction"  # values of the column `PART`
ARROWS = {scoring.LOG_MEL: "↓", scoring.MSE: "↓"}  # for all other metrics, higher is better


def _values(digits: int, *numbers: float) -> tuple[Value, ...]:
    return tuple(Value(number, digits=digits) for number in numbers)


# The thesis's Tables 1, 4 and 5 (CLAP, NSynth and Slakh2100). Table 1: FAD of notes and of melodies. Tables 4
# and 5: the melody, then the timbre, each for h1, h2, h3 and reconstruction.
THESIS_FAD = {"HDAE (thesis)": _values(2, 0.55, 0.55), "MSDAE (thesis)": _values(2, 0.56, 0.41)}
THESIS_TRANSFER = {
    "notes": {
        "HDAE (thesis)": _values(2, 0.29, 0.06, 0.01, 0.74, 0.59, 0.74, 0.69, 0.97),
        "MSDAE (thesis)": _values(2, 0.03, 0.06, 0.16, 0.47, 0.61, 0.62, 0.84, 0.95),
    },
    "melodies": {
        "HDAE (thesis)": _values(3, 0.039, 0.047, 0.025) + _values(2, 0.18, 0.81, 0.60, 0.58, 0.93),
        "MSDAE (thesis)": _values(3, 0.090, 0.055, 0.022) + _values(2, 0.27, 0.63, 0.62, 0.75, 0.95),
    },
}


def melody_metric(kind: str) -> str:
    """The metric of the melody in the swap score, for the set `kind`: for single notes the pitch, else F1."""
    return scoring.PITCH if kind == "notes" else scoring.F1


def swap_score(means: np.ndarray) -> np.ndarray:
    """The swap score: harmonic mean of melody and timbre, as shares (at most 1) of what the codec reaches.

    means: (draws, 4): melody metric, timbre top-1, and both for the codec's round trip.
    Returns (draws,): 0 to 1, or NaN if the codec's melody or timbre is 0.
    """
    melody, timbre = _shares(means)
    total = melody + timbre
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total == 0, 0.0, 2 * melody * timbre / total)


def _shares(means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The melody's and the timbre's shares of the codec's, (draws,) each: 0 to 1, or NaN if that is 0.

    means: as in `swap_score`.
    """
    melody, timbre, melody_ceiling, timbre_ceiling = np.asarray(means, dtype=float).T
    with np.errstate(divide="ignore", invalid="ignore"):
        return tuple(
            np.where(ceiling > 0, np.minimum(1.0, value / ceiling), np.nan)
            for value, ceiling in ((melody, melody_ceiling), (timbre, timbre_ceiling))
        )


def _from_means(
    results: Results,
    output: Output,
    cases: Sequence[Case],
    figure: Callable[[np.ndarray], np.ndarray],
    digits: int = 3,
) -> Cell:
    """A figure of the means that `swap_score` takes, with its interval; empty if it is NaN."""
    metrics = (melody_metric(cases[0].set), scoring.TOP1)
    columns = [
        results.column(source, cases, metric) for source in (output, Output(CODEC)) for metric in metrics
    ]
    values = np.stack(columns, axis=1)
    value = float(figure(values.mean(axis=0)[None])[0])
    if np.isnan(value):
        return EMPTY
    return Value(value, *interval_of(figure, values, _pieces(cases)), digits)


def mean(results: Results, output: Output, cases: Sequence[Case], metric: str, digits: int = 3) -> Cell:
    """The mean of a metric over `cases` with its interval; empty if its optional judge was not installed."""
    if metric == scoring.RAW_PITCH and not results.judged(output, cases, metric):
        return EMPTY
    return mean_cell(results.column(output, cases, metric), _pieces(cases), digits)


def score(results: Results, output: Output, cases: Sequence[Case], digits: int = 3) -> Cell:
    """The swap score over `cases`, which are of one set; empty if the codec reaches nothing."""
    return _from_means(results, output, cases, swap_score, digits)


def swapbench(results: Results, command: str = "") -> tuple[list[Table], list[Table]]:
    """The short tables, one for each split, and the full tables."""
    short, full = [], []
    for split in dict.fromkeys(case.split for case in results.cases):
        cases = [case for case in results.cases if case.split == split]
        short.append(_short(results, split, cases, command))
        for group, belongs in {**GROUPS, **FURTHER.get(split, {})}.items():
            members = [case for case in cases if belongs(case)]
            if members:
                full.append(_full(results, f"SwapBench, {split} split: {group}", members, command))
        for kind in dict.fromkeys(case.set for case in cases):
            members = [case for case in cases if case.set == kind]
            full.append(_sets(results, f"SwapBench, {split} split: sets of {kind}", members, command))
            full.append(shares(results, split, kind, command))
    return short, full


def shares(results: Results, split: str, kind: str, command: str = "") -> Table:
    """The swap score of every output on the cases of one split and set, and the two shares in it.

    The columns `SYSTEM`, `PART` and `LEVELS` say what a row is, for the picture of the scores (`chart`).
    """
    cases = [case for case in results.cases if (case.split, case.set) == (split, kind)]
    rows = []
    for output in results.complete(cases, results.outputs):
        if output.row == TRUTH:
            continue
        part = BOUND if output.row in BOUNDS else ANSWER if results.answers(output) else RECONSTRUCTION
        numbers = (
            _from_means(results, output, cases, figure)
            for figure in (swap_score, lambda means: _shares(means)[0], lambda means: _shares(means)[1])
        )
        rows.append((label(output, results), output.row, part, output.levels, *numbers))
    header = ("output", SYSTEM, PART, LEVELS, SWAP_SCORE, MELODY_SHARE, TIMBRE_SHARE)
    note = f"{_size(results, cases)}. Shares of what the codec allows, and their harmonic mean. {INTERVALS}"
    return Table(f"Swap scores, {split} split: {kind}", header, tuple(rows), note, command)


def thesis(results: Results, split: str, command: str = "") -> list[Table]:
    """The thesis's Tables 1, 4 and 5 on the cases of one split."""
    cases = [case for case in results.cases if case.split == split]
    sets = {kind: [case for case in cases if case.set == kind] for kind in ("notes", "melodies")}
    return [
        *_table1(results, split, sets, command),
        *(
            _transfer(results, f"Table {number}: transfer, {name}", kind, sets[kind], split, command)
            for number, name, kind in ((4, "NSynth / notes", "notes"), (5, "Slakh / melodies", "melodies"))
            if sets[kind]
        ),
    ]


# -- SwapBench


def _short(results: Results, split: str, cases: Sequence[Case], command: str) -> Table:
    columns: list[tuple[str, Column]] = []
    for kind in dict.fromkeys(case.set for case in cases):
        members = [case for case in cases if case.set == kind]
        for metric in (melody_metric(kind), scoring.TOP1):
            columns.append((f"{kind}: {metric} ↑", partial(mean, cases=members, metric=metric, digits=2)))
        columns.append((f"{kind}: {SWAP_SCORE}", partial(score, cases=members, digits=2)))
        if split in real.SPLITS:
            cell = partial(mean, cases=members, metric=scoring.MFCC, digits=2)
            columns.append((f"{kind}: {scoring.MFCC} ↑", cell))
    note = (
        f"{_size(results, cases)}. Levels in braces come from the timbre source. Swap score: harmonic mean "
        f"of the melody's and the timbre's share of what the codec allows. {INTERVALS}"
        f"{_won(results, cases)}"
    )
    return _table(f"SwapBench, {split} split", results, cases, columns, note, command)


def _won(results: Results, cases: Sequence[Case]) -> str:
    """A sentence that names the sets on which a row that learns nothing scores highest, or ""."""
    answers = [output for output in results.complete(cases, results.outputs) if results.answers(output)]
    sets = {
        kind: [case for case in cases if case.set == kind] for kind in dict.fromkeys(c.set for c in cases)
    }
    won = []
    for kind, members in sets.items() if any(output.row not in UNTAUGHT for output in answers) else ():
        cells = {output: score(results, output, members) for output in answers}
        scores = {output: cell.value for output, cell in cells.items() if isinstance(cell, Value)}
        if scores and (best := max(scores, key=scores.__getitem__).row) in UNTAUGHT:
            won.append(f"on {kind} {best}")
    return f" What learns nothing scores highest: {', '.join(won)}." if won else ""


def _full(results: Results, title: str, cases: Sequence[Case], command: str) -> Table:
    metrics = [scoring.F1, scoring.F1_WIDE, scoring.F1_HEARD]
    metrics += [scoring.PITCH] if cases[0].set == "notes" else []
    independent = cases[0].split in real.SPLITS
    single = independent and all(map(scoring.single_line, cases))
    metrics += [scoring.RAW_PITCH] if single else []
    metrics += [scoring.TIMBRE, scoring.TOP1]
    metrics += [scoring.MFCC, scoring.SOURCE_MFCC] if independent else []
    metrics += [scoring.LOG_MEL, scoring.SSIM, scoring.MSE]
    columns: list[tuple[str, Column]] = [
        (f"{name} {ARROWS.get(name, '↑')}", partial(mean, cases=cases, metric=name)) for name in metrics
    ]
    columns.append((SWAP_SCORE, partial(score, cases=cases)))
    note = (
        f"{_size(results, cases)}. F1 against the notes that were played (onsets within 50 or 100 ms) and "
        "against those that are heard in the truth; timbre and distances against the truth; top-1 among the "
        f"split's instruments. {INTERVALS}"
    )
    if independent:
        note += " MFCC cosine: to the truth and to the timbre source, nothing learnt."
    if single:
        note += " Raw pitch accuracy: frames within 50 cents, by SwiftF0"
        note += "." if f0.available() else f"; {f0.MISSING}."
    return _table(title, results, cases, columns, note, command)


def _sets(results: Results, title: str, cases: Sequence[Case], command: str) -> Table:
    header = ["output"]
    header += [f"{name} to {row} ↓" for row in (TRUTH, CODEC) for name in SET_METRICS]
    with Remarks() as remarks:
        rows = [
            (label(output, results), *_distances(results, Output(TRUTH), output, cases))
            + _distances(results, Output(CODEC), output, cases)
            for output in results.complete(cases, results.outputs)
        ]
    embedding = results.manifest["settings"]["embedding"]["name"]
    note = f"{_size(results, cases)}. Embedding: {embedding}.{remarks}"
    return Table(title, tuple(header), tuple(rows), note, command)


# -- the thesis


def _table1(results: Results, split: str, sets: dict[str, list[Case]], command: str) -> list[Table]:
    """Two tables, the thesis's distances and ours: other embeddings, so the scales are not comparable."""
    title = "Table 1: FAD of reconstructions"
    rows = [
        (label(output, results), output)
        for output in _reconstructions(results, [case for cases in sets.values() for case in cases])
    ]
    embedding = results.manifest["settings"]["embedding"]["name"]
    thesis = [(name, *cells) for name, cells in THESIS_FAD.items()]
    header = ("model", *(f"FAD, {kind} ↓" for kind in sets))
    note = "Reconstructions and originals. Embedding: CLAP; NSynth (notes) and Slakh2100 (melodies)."
    of_thesis = Table(f"{title}, the thesis", header, tuple(thesis), note)
    with Remarks() as remarks:
        ours = []
        for name, output in rows:
            distances = [
                _distances(results, _original(results, cases), output, cases) for cases in sets.values()
            ]
            ours.append((name, *(cell for cells in distances for cell in cells)))
    size = _size(results, [case for cases in sets.values() for case in cases])
    note = (
        f"Reconstructions against their originals, {size} ({split}). Embedding: {embedding}"
        + ("; its distances are not on CLAP's scale" if embedding != "clap" else "")
        + f".{remarks}"
    )
    header = ("model", *(f"{name}, {kind} ↓" for kind in sets for name in SET_METRICS))
    return [of_thesis, Table(f"{title}, embedding {embedding}", header, tuple(ours), note, command)]


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
    digits = 2 if kind == "notes" else 3
    rows: list[tuple[Cell, ...]] = [(name, *cells) for name, cells in THESIS_TRANSFER[kind].items()]
    complete = results.complete(cases, results.outputs)
    for row in results.manifest["checkpoints"]:
        outputs = [Output(row, levels) for levels in ("1", "2", "3", "")]
        cells = (
            mean(results, output, cases, metric, digits) if output in complete else EMPTY
            for metric in metrics
            for output in outputs
        )
        if Output(row) in complete:
            rows.append((row, *cells))
    target = "the truth" if _original(results, cases).row == TRUTH else "the target"
    note = (
        f"{_size(results, cases)} ({split}). Column h_k: level k comes from the target, the others from "
        "another recording; melody and timbre of the output are compared with the target's. A level that "
        "holds the melody scores high on the left, one that holds the timbre on the right. The target is the "
        f"case's timbre source. rec: {target}, reconstructed and compared with itself. The thesis: NSynth "
        f"and Slakh2100, its own timbre network. {INTERVALS}"
    )
    return Table(title, ("model", *header), tuple(rows), note, command)


def _reconstructions(results: Results, cases: Sequence[Case]) -> list[Output]:
    wanted = [Output(CODEC), *(Output(row) for row in results.manifest["checkpoints"])]
    return results.complete(cases, wanted)


def _original(results: Results, cases: Sequence[Case]) -> Output:
    """The output whose recordings are what reconstructions start from."""
    return (results.complete(cases, [Output(TRUTH)]) or [Output(COPY_TIMBRE)])[0]


# -- cells


def label(output: Output, results: Results) -> str:
    """The name of an output in the rows of tables."""
    if output.levels:
        return f"{output.row} {{{output.levels}}}"
    return f"{output.row}, reconstruction" if output.row in results.manifest["checkpoints"] else output.row


def _table(
    title: str,
    results: Results,
    cases: Sequence[Case],
    columns: Sequence[tuple[str, Column]],
    note: str,
    command: str,
) -> Table:
    rows = [
        (label(output, results), *(cell(results, output) for _, cell in columns))
        for output in results.complete(cases, results.outputs)
    ]
    return Table(title, ("output", *(name for name, _ in columns)), tuple(rows), note, command)


def _distances(
    results: Results, reference: Output, estimate: Output, cases: Sequence[Case]
) -> tuple[Cell, ...]:
    """`SET_METRICS` of the set of an output against that of another, paired by case; empty if too few."""
    if len(cases) < FEWEST:
        return (EMPTY,) * len(SET_METRICS)
    sets = results.embeddings(reference, cases), results.embeddings(estimate, cases)
    return tuple(Value(distance(*sets)) for distance in SET_METRICS.values())


class Remarks:
    """A context that records the warnings of its block; its text is a sentence for each different one."""

    def __enter__(self) -> "Remarks":
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
    return f"{counted(len(cases), 'case')}, seed {results.manifest['seed']}, {results.manifest['date']}"
