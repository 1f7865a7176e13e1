"""Where the time of a swap in a cold process goes, for one or several versions of msdae side by side."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from msdae import audio
from msdae.errors import UserError, printable
from msdae.evaluation import speed, watch
from msdae.evaluation.tables import EMPTY, Cell, Table, Value
from msdae.progress import Progress, silent

CLOCKS = {"wall": "perf_counter", "processor": "process_time"}  # {name: function of the module `time`}
PYTHON = "interpreter"  # the part that is Python's own start and end
ORDER = (PYTHON, watch.IMPORTS, *dict.fromkeys(name for name, _, _ in watch.PARTS), watch.REST)
Parts = Mapping[str, float]  # seconds


def swaps(
    checkouts: Mapping[str, Path],
    lengths: Sequence[float],
    rounds: int,
    options: Sequence[str] = (),
    clock: str = "wall",
    progress: Progress = silent,
) -> dict[tuple[str, float], Parts]:
    """Profile swaps: {(name of the version, seconds of sound): {part: seconds}}.

    The seconds are medians over `rounds` rounds, in each of which every version and length has its turn.

    checkouts: {name: folder with a version of msdae}.
    lengths: of both recordings, in seconds; each length is measured.
    options: of the command line of every swap, beside its files.
    clock: a key of `CLOCKS`.

    Raises:
        UserError: the swap of a checkout fails.
    """
    cases = [(name, length) for name in checkouts for length in lengths]
    measured: dict[tuple[str, float], list[Parts]] = {case: [] for case in cases}
    with tempfile.TemporaryDirectory() as folder, progress(total=rounds * len(cases), unit="swap") as bar:
        for length in lengths:
            _write_recordings(Path(folder), length)
        for _ in range(rounds):
            for name, length in cases:
                measured[name, length].append(
                    _measured(checkouts[name], Path(folder), length, options, clock)
                )
                bar.update()
    return {
        case: {part: statistics.median(parts.get(part, 0.0) for parts in group) for part in ORDER}
        for case, group in measured.items()
    }


def table(profiles: Mapping[tuple[str, float], Parts], note: str, command: str) -> Table:
    """A table with a row for each part and a column for each length and version.

    The last rows are the sums and, if there are several versions, how many times as long as the first version
    the others take.
    """
    names, lengths = (tuple(dict.fromkeys(values)) for values in zip(*profiles, strict=True))
    header, columns = ["part"], []
    for length in lengths:
        for name in names:
            header.append(f"{name}, {length:g} s")
            columns.append(profiles[name, length])
    rows: list[tuple[Cell, ...]] = []
    for part in ORDER:
        if any(column[part] for column in columns):
            rows.append((part, *(Value(column[part], digits=2) for column in columns)))
    totals = [sum(column.values()) for column in columns]
    rows.append(("together", *(Value(total, digits=2) for total in totals)))
    if len(names) > 1:
        firsts = [totals[place - place % len(names)] for place in range(len(totals))]
        rows.append(
            (
                f"times as long as {names[0]}",
                *(
                    EMPTY if place % len(names) == 0 else Value(total / first, digits=2)
                    for place, (total, first) in enumerate(zip(totals, firsts, strict=True))
                ),
            )
        )
    return Table("Where the time of a swap goes", tuple(header), tuple(rows), note, command)


def _write_recordings(folder: Path, seconds: float) -> None:
    for name, recording in zip(("timbre", "melody"), speed.recordings(seconds), strict=True):
        audio.write(folder / f"{name}-{seconds:g}.wav", recording)


def _measured(checkout: Path, folder: Path, seconds: float, options: Sequence[str], clock: str) -> Parts:
    """The parts of one swap in a process that runs in, and so imports from, the folder `checkout`."""
    timbre, melody = (str(folder / f"{name}-{seconds:g}.wav") for name in ("timbre", "melody"))
    arguments = ["--timbre", timbre, "--melody", melody, "--out", str(folder / "swap.wav"), *options]
    code = Path(watch.__file__).read_text("utf-8")
    before = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, CLOCKS[clock], *arguments],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.perf_counter() - before
    if done.returncode:
        reason = printable(done.stderr.strip().rpartition("\n")[2])[:200]
        raise UserError(f"{printable(checkout)}: its swap failed ({reason}); give a checkout of msdae")
    parts = json.loads(done.stdout.splitlines()[-1])
    return {**parts, PYTHON: max(0.0, took - sum(parts.values()))} if clock == "wall" else parts
