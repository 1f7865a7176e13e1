"""The swap scores as pictures and as numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from msdae.evaluation.report import chart
from msdae.evaluation.report.results import Results
from msdae.evaluation.swapbench.scores import TOP1
from msdae.evaluation.swapbench.systems import BOUNDS, CODEC, TRUTH, Output
from msdae.evaluation.swapbench.tables import label, melody_metric, swap_score
from msdae.evaluation.tables import html


@dataclass(frozen=True)
class Panel:
    """The swap scores of one set of cases: an SVG and the same as an HTML table."""

    title: str
    svg: str
    table: str


def panels(results: Results) -> Iterator[Panel]:
    """One a split and set."""
    for split, kind in dict.fromkeys((case.split, case.set) for case in results.cases.values()):
        ids = [name for name, case in results.cases.items() if (case.split, case.set) == (split, kind)]
        title = f"{kind.capitalize()}, {split} split ({len(ids)} case{'s' * (len(ids) > 1)})"
        outputs = [output for output in results.outputs if output.row != TRUTH]
        means = {output: _means(results, output, ids, kind) for output in outputs}
        ceilings = means[Output(CODEC)]
        rows, points = [], []
        for output, found in means.items():
            shares = [
                min(1.0, mean / top) if top > 0 else 0.0 for mean, top in zip(found, ceilings, strict=True)
            ]
            score = float(swap_score(np.array([[*found, *ceilings]]))[0])
            rows.append((label(output, results), *(f"{value:.3f}" for value in (score, *shares))))
            points.append(chart.Point(*shares, **_look(results, output)))
        table = html(("output", "swap score", "melody", "timbre"), rows)
        yield Panel(title, chart.svg(title, points), table)


def _means(results: Results, output: Output, ids: Sequence[str], kind: str) -> list[float]:
    """Of what the swap score takes for the melody and for the timbre."""
    metrics = (melody_metric(kind), TOP1)
    return [float(np.mean([results.scores[case, output][metric] for case in ids])) for metric in metrics]


def _look(results: Results, output: Output) -> dict[str, Any]:
    name = label(output, results)
    if output.row in BOUNDS:
        return {"kind": "bound", "label": output.row.removesuffix(" source"), "name": name}
    look = {"kind": str(results.systems.index(output.row)), "name": name}
    if results.answers(output):
        return {**look, "label": output.levels or output.row}
    return {**look, "label": "all", "hollow": True}
