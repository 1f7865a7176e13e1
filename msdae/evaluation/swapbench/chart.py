"""The swap score in one picture: how much of the melody and of the timbre each output has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from msdae.evaluation.figures import COLOURS, MARKERS, QUIET, new, plain, style
from msdae.evaluation.swapbench.tables import (
    ANSWER,
    BOUND,
    LEVELS,
    MELODY_SHARE,
    PART,
    RECONSTRUCTION,
    SYSTEM,
    TIMBRE_SHARE,
)
from msdae.evaluation.tables import Table, Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.text import Annotation

ISO = (0.2, 0.4, 0.6, 0.8)  # swap scores for which a line of equal score is drawn
SIDE = 4.5  # width of a panel in inches
# Possible places of a label relative to its mark, in points, nearest first.
_AROUND = [
    (far * x, far * y)
    for far in (1, 1.7, 2.4)
    for x, y in ((7, 0), (-7, 0), (0, 6), (0, -6), (5, 5), (-5, 5), (5, -5), (-5, -5))
]


@style()
def swap_scores(tables: Sequence[Table]) -> Figure:
    """A panel for each table of `shares`: melody to the right, timbre upwards, lines of equal swap score.

    Each row of a table has a mark. Crosses are copies and the codec; each system has its own colour and
    marker, which is hollow for its reconstruction. Labels name the levels that come from the timbre source.
    """
    figure = new(SIDE * len(tables), SIDE + 0.35)
    axes = figure.subplots(1, len(tables), squeeze=False)[0]
    systems = list(dict.fromkeys(name for table in tables for name in _systems(table)))
    labels = [_panel(axis, table, systems) for axis, table in zip(axes, tables, strict=True)]
    handles: dict[str, Line2D] = {}
    for axis in axes:
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    columns = 3 if len(tables) > 1 else 2
    look = {"frameon": False, "fontsize": 10, "handletextpad": 0.3}
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=columns, **look)
    figure.draw_without_rendering()  # sets where marks and labels lie
    figure.set_layout_engine("none")
    for axis, drawn in zip(axes, labels, strict=True):
        _spread(axis, drawn)
    return figure


def _systems(table: Table) -> list[str]:
    parts = table.column(PART)
    return [str(name) for row, name in table.column(SYSTEM).items() if parts[row] != BOUND]


def _panel(axis: Axes, table: Table, systems: Sequence[str]) -> list[Annotation]:
    axis.set(xlim=(-0.05, 1.15), ylim=(-0.05, 1.15), aspect="equal", title=plain(table.title))
    axis.set(xlabel="melody, share of the codec's", ylabel="timbre, share of the codec's")
    for score in ISO:
        melody = np.linspace(score / (2 - score), 1, 100)
        axis.plot(melody, score * melody / (2 * melody - score), color="#BBBBBB", lw=0.9, ls=":", zorder=1)
        end = score / (2 - score)
        axis.annotate(
            f"{score:g}", (1, end), (3, 0), textcoords="offset points", va="center", color=QUIET, fontsize=9
        )
    columns = [table.column(name) for name in (SYSTEM, PART, LEVELS, MELODY_SHARE, TIMBRE_SHARE)]
    labels = []
    for row in columns[0]:
        system, part, levels, melody, timbre = (column[row] for column in columns)
        if not (isinstance(melody, Value) and isinstance(timbre, Value)):
            continue
        _mark(axis, part, systems.index(system) if part != BOUND else 0, (melody, timbre), str(system))
        name = {BOUND: system.removesuffix(" source"), RECONSTRUCTION: "all"}.get(part, levels or system)
        place = (melody.value, timbre.value)
        labels.append(axis.annotate(plain(name), place, (0, 0), textcoords="offset points", fontsize=9.5))
    return labels


def _mark(axis: Axes, part: str, number: int, shares: tuple, name: str) -> None:
    melody, timbre = shares
    if part == BOUND:
        axis.plot(
            melody.value, timbre.value, "x", color="black", ms=7, mew=1.8, ls="", label="a copy, or the codec"
        )
        return
    colour = COLOURS[number % len(COLOURS)]
    if part == ANSWER and melody.low is not None and timbre.low is not None:
        axis.plot([melody.low, melody.high], [timbre.value] * 2, color=colour, lw=1, alpha=0.45, zorder=2)
        axis.plot([melody.value] * 2, [timbre.low, timbre.high], color=colour, lw=1, alpha=0.45, zorder=2)
    hollow = part == RECONSTRUCTION
    axis.plot(
        melody.value,
        timbre.value,
        MARKERS[number % len(MARKERS)],
        color=colour,
        mfc="white" if hollow else colour,
        ms=8,
        mew=1.8,
        ls="",
        zorder=3,
        label=plain(f"{name}, reconstruction" if hollow else name),
    )


def _spread(axis: Axes, labels: Sequence[Annotation]) -> None:
    """Move each label to the place where it covers least of the other marks and of earlier labels."""
    marks = [_box(*axis.transData.transform(label.xy), 14, 14) for label in labels]
    frame = axis.get_window_extent()
    taken = list(marks)
    for label, mark in zip(labels, marks, strict=True):
        extent = label.get_window_extent()
        width, height = extent.width, extent.height
        points = axis.figure.dpi / 72
        x, y = axis.transData.transform(label.xy)
        places = [
            _box(
                x + dx * points + np.sign(dx) * width / 2,
                y + dy * points + np.sign(dy) * height / 2,
                width,
                height,
            )
            for dx, dy in _AROUND
        ]
        others = [box for box in taken if box is not mark]
        costs = [sum(_overlap(box, other) for other in others) + 40 * _outside(box, frame) for box in places]
        best = places[int(np.argmin(costs))]
        taken.append(best)
        label.set_position(((best[0] - x) / points, (best[1] - y) / points))
        label.set(ha="left", va="bottom")


Box = tuple[float, float, float, float]  # left, bottom, right, top, in pixels


def _box(x: float, y: float, width: float, height: float) -> Box:
    """The box with its centre at (x, y)."""
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _overlap(a: Box, b: Box) -> float:
    """The area that two boxes share, in square pixels."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, width) * max(0.0, height)


def _outside(box: Box, frame) -> float:
    """How far `box` reaches beyond the axes, in pixels, summed over sides."""
    beyond = (frame.x0 - box[0], frame.y0 - box[1], box[2] - frame.x1, box[3] - frame.y1)
    return sum(max(0.0, part) for part in beyond)
