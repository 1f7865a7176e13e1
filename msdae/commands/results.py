"""Measure what the documents show, and write it into them."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from msdae import cli, files, folders
from msdae.commands import (
    benchmark,
    compare_codecs,
    evaluate,
    evaluate_composers,
    evaluate_priors,
    measure_interpolation,
    measure_leakage,
    measure_maqam,
    measure_players,
    measure_steps,
    plot_umap,
    run_probes,
    train_metrics,
)
from msdae.errors import UserError

if TYPE_CHECKING:
    from msdae.evaluation import tables

SHORT = ("swapbench/swapbench-test-split", "swapbench/swapbench-unseen-split")
CASE = 3  # number of the report's case that the README shows


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "results",
        "Run the measurements whose tables and figures the documents show, store them in docs/results and\n"
        "docs/figures, and write the tables into README.md and docs/*.md. It takes hours; what was\n"
        "measured before with the same code and weights is not measured again.",
        "swapbench codecs",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"measurements to make, of {', '.join(MEASUREMENTS)} (default: all)",
    )
    parser.add_argument("--only-write", action="store_true", help="measure nothing; write what is stored")
    parser.add_argument(
        "--again", action="store_true", help="measure again, even if code and weights are unchanged"
    )
    options = parser.parse_args(argv)
    if unknown := [name for name in options.names if name not in MEASUREMENTS]:
        raise UserError(f"{unknown[0]}: no such measurement; choose from {', '.join(MEASUREMENTS)}")
    docs = folders.docs()
    for name in ("results", "figures"):
        (docs / name).mkdir(exist_ok=True)
    if not options.only_write:
        for name in options.names or MEASUREMENTS:
            measure(name, docs, options.again)
    write(docs)


def measure(name: str, docs: Path, again: bool = False) -> None:
    """Do one measurement, or continue it.

    A finished measurement is not done again if its code and the package's weights have not changed since.

    docs: folder of the documents. again: start from the beginning in any case.
    """
    from msdae.evaluation import source_hash

    folder = folders.runs() / "results"
    record = folder / f"{name}.key.json"
    now = source_hash.fingerprint([f"msdae.commands.{COMMANDS[name]}"], with_imports=True)
    before = files.read_json(record, fix="delete it") if record.exists() else {}
    if again or before.get("key") != now:
        shutil.rmtree(folder / name, ignore_errors=True)
    elif before.get("whole"):
        print(f"{name}: nothing has changed since it was measured (--again measures all the same)")
        return

    def note(whole: bool) -> None:
        with files.atomic(record) as temporary:
            temporary.write_text(json.dumps({"key": now, "whole": whole}))

    note(whole=False)
    MEASUREMENTS[name](docs)
    note(whole=True)


def write(docs: Path) -> None:
    """Draw the figures of stored tables and write the tables into README.md and the documents in `docs`."""
    from msdae.evaluation import documents, tables

    stored = documents.stored(docs / "results")
    with files.reading(docs / "results", "measure again"):
        if short := [stored[name] for name in SHORT if name in stored]:
            tables.write(docs / "results" / "summary.json", [summary(short)])
        draw(stored, docs / "figures")
    sections = documents.sections(docs / "results")
    for path in [docs.parent / "README.md", *sorted(docs.glob("*.md"))]:
        documents.update(path, sections)


def summary(short: "Sequence[tables.Table]") -> "tables.Table":
    """The table that a reader sees first: the melodies of SwapBench's short tables side by side."""
    from msdae.evaluation import tables

    columns = [f"melodies: {name}" for name in ("melody F1 ↑", "timbre top-1 ↑", "swap score ↑")]
    splits = [table.title.removeprefix("SwapBench, ") for table in short]
    header = [f"{split}: {name.removeprefix('melodies: ')}" for split in splits for name in columns]
    rows = []
    for row in (
        "copy melody source",
        "copy timbre source",
        "codec",
        "embedded, reconstruction",
        "embedded {1}",
    ):
        cells = [table.column(name)[row] for table in short for name in columns]
        points = [
            replace(cell, low=None, high=None) if place % 3 < 2 else cell for place, cell in enumerate(cells)
        ]
        rows.append((row, *points))
    return tables.Table("Swaps", ("output", *header), tuple(rows), command=short[0].command)


def draw(stored: "dict[str, tables.Table]", folder: Path) -> None:
    """Draw those figures to `folder` that need only the stored tables. stored: {name: table}."""
    from msdae.evaluation import figures
    from msdae.evaluation.swapbench import steps

    def titled(prefix: str) -> "list[tables.Table]":
        return [table for name, table in stored.items() if name.startswith(prefix)]

    if short := titled("swapbench/swapbench-test-split"):
        columns = ("melodies: melody F1 ↑", "melodies: timbre top-1 ↑", "melodies: swap score ↑")
        figures.save(figures.dot_plot(short[0], columns), folder / "scores.svg")
    if course := stored.get("interpolation/interpolation-test-every-strength"):
        figures.save(figures.course(course), folder / "interpolation.svg")
    if compared := stored.get("steps/quality-over-evaluations-of-the-network"):
        figures.save(figures.curves(compared, steps.COUNT, steps.PANELS), folder / "steps.svg")
    if coded := [table for table in titled("codecs/codecs-") if "note F1 ↑" in table.header]:
        figures.save(
            figures.bars(coded, ("note F1 ↑", "timbre top-1 ↑", "log-mel dB ↓")), folder / "codecs.svg"
        )
    if held := titled("probes/disentanglement"):
        figures.save(figures.heat_map(held), folder / "probes.svg")


def store(docs: Path, name: str, made: Path, command: str, *arguments: str) -> None:
    """Store the tables in `made` as docs/results/NAME.json, with the command line that makes them."""
    from msdae.evaluation import tables

    line = " ".join([cli.program(command), *arguments])
    tables.write(docs / "results" / f"{name}.json", [replace(t, command=line) for t in tables.read(made)])


def swapbench(docs: Path) -> None:
    """Measure swaps of the model that ships, and draw their scores and the spectrograms of one case."""
    from msdae.evaluation.swapbench import report

    folder = folders.runs() / "results" / "swapbench"
    evaluate.main(["--out", str(folder)])
    store(docs, "swapbench", folder / "tables.json", "evaluate")
    report.write_scores(folder, docs / "figures" / "swap-scores.svg")
    report.write_case(folder, docs / "figures" / "case.png", CASE)


def probes(docs: Path) -> None:
    """Measure what each code of the model that ships tells."""
    folder = folders.runs() / "results" / "probes"
    run_probes.main(["--out", str(folder)])
    store(docs, "probes", folder / "tables.json", "run-probes")


def umap(docs: Path) -> None:
    """Draw maps of the codes of the model that ships."""
    folder = folders.runs() / "results" / "umap"
    plot_umap.main(["--out", str(folder)])
    for clips in ("notes", "melodies"):
        [picture] = folder.glob(f"*-{clips}.png")
        shutil.copyfile(picture, docs / "figures" / f"umap-{clips}.png")


def of_command(name: str, command: str, main: Callable, *arguments: str, out: str = "--out") -> Callable:
    """A measurement by a command line that writes its tables to the file given by its option `out`.

    name: of the measurement. command, main, arguments: the command line's name, function and arguments.
    """

    def measure(docs: Path) -> None:
        path = docs / "results" / f"{name}.json"
        main([*arguments, out, str(path)])
        store(docs, name, path, command, *arguments)

    return measure


# {measurement: module of the command line that it calls}.
COMMANDS = {
    "swapbench": "evaluate",
    "codecs": "compare_codecs",
    "interpolation": "measure_interpolation",
    "probes": "run_probes",
    "leakage": "measure_leakage",
    "umap": "plot_umap",
    "metrics": "train_metrics",
    "composers": "evaluate_composers",
    "players": "measure_players",
    "maqam": "measure_maqam",
    "priors": "evaluate_priors",
    "minute": "evaluate_priors",
    "speed": "benchmark",
    "steps": "measure_steps",
}
MEASUREMENTS: dict[str, Callable[[Path], None]] = {
    "swapbench": swapbench,
    "codecs": of_command("codecs", "compare-codecs", compare_codecs.main),
    "interpolation": of_command(
        "interpolation", "measure-interpolation", measure_interpolation.main, "--cases", "24"
    ),
    "probes": probes,
    "leakage": of_command("leakage", "measure-leakage", measure_leakage.main),
    "umap": umap,
    "metrics": of_command("metrics", "train-metrics", train_metrics.main, "--only-check", out="--json"),
    "composers": of_command("composers", "evaluate-composers", evaluate_composers.main),
    "players": of_command("players", "measure-players", measure_players.main, "--cases", "24"),
    "maqam": of_command("maqam", "measure-maqam", measure_maqam.main),
    "priors": of_command(
        *("priors", "evaluate-priors", evaluate_priors.main),
        *("--samples", "200", "--seconds", "5", "--texts", "110", "--guidance", "1,2.5"),
        *("--pieces", "16", "--long", "24", "--steps", "12,24,48"),
    ),
    "minute": of_command(
        *("minute", "evaluate-priors", evaluate_priors.main),
        *("--samples", "0", "--texts", "0", "--pieces", "16", "--long", "60"),
    ),
    "speed": of_command("speed", "benchmark", benchmark.main),
    "steps": of_command("steps", "measure-steps", measure_steps.main, "--cases", "36"),
}
