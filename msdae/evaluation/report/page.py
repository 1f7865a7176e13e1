"""What the page shows, taken from the results; `msdae/assets/report.html` says how."""

from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined, UndefinedError
from tqdm import tqdm

from msdae.evaluation.report import cards, chart, media, scores
from msdae.evaluation.report.results import Results, unfinished
from msdae.evaluation.swapbench.results import MANIFEST
from msdae.evaluation.swapbench.tables import label
from msdae.evaluation.tables import Table


def render(results: Results, figures: Sequence[Path], tables: Sequence[Table]) -> str:
    """The page; equal input, equal page.

    figures: pictures to show. tables: to show after those of the results.

    Raises:
        UserError: the manifest lacks something, or a picture cannot be read.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    assets = files("msdae") / "assets"
    style, script, page = (
        (assets / f"report.{suffix}").read_text(encoding="utf-8") for suffix in ("css", "js", "html")
    )
    tables = [*results.tables, *tables]
    sounds = cards.Sounds(results)
    heard = tqdm(results.report_cases, desc="report", unit="case")
    shown = {
        "style": style,
        "script": script,
        "manifest": results.manifest,
        "counts": _counts(results),
        "panels": list(scores.panels(results)),
        "keys": [(chart.mark(str(number)), row) for number, row in enumerate(results.systems)],
        "bound": chart.mark("bound"),
        "hollow": chart.mark("0", hollow=True),
        "tables": [(table.title, table.html(_competing(table, results))) for table in tables],
        "figures": [(path.stem.replace("_", " "), media.picture(path)) for path in figures],
        "cards": [cards.card(results, sounds, case) for case in heard],
        "brightest": sounds.brightest,
    }
    try:
        return environment.from_string(page).render(shown)
    except UndefinedError as error:
        raise unfinished(results.folder / MANIFEST, f"is damaged ({error})", results.folder) from error


def _counts(results: Results) -> list[tuple[str, str]]:
    """(split, "monophonic 60, polyphonic 30") for each split."""
    textures: dict[str, Counter] = {}
    for case in results.cases.values():
        textures.setdefault(case.split, Counter())[case.texture] += 1
    return [
        (split, ", ".join(f"{name} {n}" for name, n in found.items())) for split, found in textures.items()
    ]


def _competing(table: Table, results: Results) -> set[str]:
    """The rows that the best is looked for in: answers, or reconstructions where there are no answers."""
    names = {row[0] for row in table.rows}
    made = [output for output in results.outputs if output.row in results.systems]
    answers = {label(output, results) for output in made if results.answers(output)}
    others = {name for output in made for name in (output.row, label(output, results))}
    return answers & names or others & names
