"""Pictures of results and of sound by matplotlib: colour-blind-safe, and equal input gives equal files.

Pictures of results are drawn from tables, so that a stored table is enough to draw them again.
"""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from nnAudio.librosa_functions import hz_to_mel

from msdae.audio.files import SAMPLE_RATE
from msdae.audio.mel import LogMel, MelConfig
from msdae.audio.windows import Source, beginning
from msdae.errors import UserError, printable
from msdae.evaluation.tables import Cell, Table, Value
from msdae.files import atomic, check_replaceable

if TYPE_CHECKING:  # otherwise matplotlib is imported only when something is drawn
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SECONDS = 30  # longest beginning of a recording that a picture shows
SUFFIXES = (".png", ".pdf", ".svg")
LONGEST = 100  # characters of a title; more do not fit
WIDTH = 9.0  # inches: as wide as a README's column
HERTZ = (300, 1000, 3000, 10000)  # ticks of the frequency axis
# Okabe and Ito's colours, and the marker that goes with each.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
QUIET = "#5C6066"
_NO_DATE = {".png": {"Software": None}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
_STYLE = {
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "savefig.dpi": 160,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "msdae",  # makes the ids inside an SVG the same in every run
}


@contextmanager
def style() -> Iterator[None]:
    """Apply the common look of all pictures inside the block."""
    import matplotlib

    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # a box is drawn instead
        yield


def new(width: float, height: float) -> Figure:
    """An empty figure of `width` x `height` inches, whose parts make room for each other."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def plain(title: str) -> str:
    """`title` for matplotlib: dollar signs are escaped, and a long title is shortened in its middle."""
    title = printable(title)
    if len(title) > LONGEST:
        title = f"{title[: LONGEST // 2]} ... {title[-LONGEST // 2 :]}"
    return title.replace("$", r"\$")


# -- files


def check_plot(path: str | Path) -> None:
    """Raise the UserError that `save` would raise for `path`."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: pictures are written as {', '.join(SUFFIXES)}; choose one of these")
    check_replaceable(path)


@style()
def save(figure: Figure, path: str | Path) -> None:
    """Write a picture atomically; equal pictures give equal files.

    Raises:
        UserError: another extension than png, pdf or svg, or no such folder.
    """
    check_plot(path)
    with atomic(path) as temporary:
        figure.savefig(temporary, metadata=_NO_DATE[Path(path).suffix.lower()])


@style()
def svg(figure: Figure) -> str:
    """The picture as the text of an SVG file."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata=_NO_DATE[".svg"])
    return stream.getvalue()


# -- scores


@style()
def dot_plot(table: Table, columns: Sequence[str], rows: Sequence[str] = ()) -> Figure:
    """Values with their intervals: a panel for each of `columns`, a line for each of `rows` (default: all).

    Raises:
        UserError: the table has no such column or row.
    """
    names = list(rows) or [str(row[0]) for row in table.rows]
    figure = new(WIDTH, 0.9 + 0.3 * len(names))
    axes = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for axis, column in zip(axes, columns, strict=True):
        cells = table.column(column)
        for place, name in enumerate(names):
            _dot(axis, _cell(cells, name, table), place)
        axis.set(xlabel=plain(column), ylim=(len(names) - 0.5, -0.5))
        axis.set_yticks(range(len(names)), map(plain, names))
        axis.grid(axis="x", color="#DDDDDD", lw=0.8)
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
        axis.set_axisbelow(True)
    return figure


@style()
def course(table: Table) -> Figure:
    """Interpolation: each column from the third on, with its intervals, over the strength (second column)."""
    figure = new(0.7 * WIDTH, 3.4)
    axis = figure.subplots()
    strengths = [cell.value for cell in table.column(table.header[1]).values()]
    for number, name in enumerate(table.header[2:]):
        cells = list(table.column(name).values())
        look = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
        axis.plot(strengths, [cell.value for cell in cells], label=plain(name.rstrip(" ↑↓")), ms=5, **look)
        if all(cell.low is not None for cell in cells):
            low, high = [cell.low for cell in cells], [cell.high for cell in cells]
            axis.fill_between(strengths, low, high, color=look["color"], alpha=0.18, lw=0)
    axis.set(xlabel=plain(table.header[1]), xlim=(0, 1), ylim=(0, 1), title=plain(table.title))
    axis.grid(color="#E5E5E5", lw=0.8)
    axis.legend(frameon=False, loc="best")
    return figure


@style()
def curves(table: Table, over: str, columns: Sequence[str]) -> Figure:
    """A panel for each of `columns`: its values over the column `over`, on a logarithmic axis.

    Rows whose names are equal up to the first comma are joined to one line. A row that has no value in `over`
    is drawn as a horizontal line.
    """
    figure = new(WIDTH, 3.2)
    places = table.column(over)
    lines: dict[str, list[str]] = {}
    for name, place in places.items():
        if isinstance(place, Value):
            lines.setdefault(name.partition(",")[0], []).append(name)
    for axis, column in zip(figure.subplots(1, len(columns), squeeze=False)[0], columns, strict=True):
        cells = table.column(column)
        for number, (line, names) in enumerate(lines.items()):
            known = [name for name in names if isinstance(cells[name], Value)]
            values = [cells[name] for name in known]
            middle = [cell.value for cell in values]
            reach = np.transpose([_reach(cell) for cell in values])
            look = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
            x = [places[name].value for name in known]
            axis.errorbar(x, middle, reach, label=plain(line), ms=5, elinewidth=0.8, **look)
        for name, place in places.items():
            if not isinstance(place, Value) and isinstance(cells[name], Value):
                axis.axhline(cells[name].value, color=QUIET, lw=1, ls="--", label=plain(name))
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set(xlabel=plain(over), title=plain(column.rstrip(" ↑↓")))
        axis.grid(color="#E5E5E5", lw=0.8)
    axis.legend(frameon=False, loc="best", fontsize=9)
    return figure


@style()
def bars(tables: Sequence[Table], columns: Sequence[str]) -> Figure:
    """Codecs: a panel for each of `columns`, in it a group of bars for each table, a bar for each row."""
    figure = new(WIDTH, 2.3 * len(columns) + 0.7)
    axes = figure.subplots(len(columns), 1, sharex=True, squeeze=False)[:, 0]
    names = list(dict.fromkeys(str(row[0]) for table in tables for row in table.rows))
    width = 0.8 / len(names)
    for axis, column in zip(axes, columns, strict=True):
        for number, name in enumerate(names):
            cells = [table.column(column).get(name) for table in tables]
            places = [group + (number - (len(names) - 1) / 2) * width for group in range(len(tables))]
            shown = [(x, c) for x, c in zip(places, cells, strict=True) if isinstance(c, Value)]
            heights = [cell.value for _, cell in shown]
            axis.bar(
                [x for x, _ in shown],
                heights,
                0.92 * width,
                yerr=np.array([_reach(cell) for _, cell in shown]).T if shown else None,
                error_kw={"lw": 1.2, "ecolor": "#222222"},
                color=COLOURS[number % len(COLOURS)],
                label=plain(name),
            )
        axis.set_ylabel(plain(column))
        axis.grid(axis="y", color="#E5E5E5", lw=0.8)
        axis.set_axisbelow(True)
    titles = [textwrap.fill(plain(table.title.partition(": ")[2] or table.title), 24) for table in tables]
    axes[-1].set_xticks(range(len(tables)), titles)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return figure


@style()
def heat_map(tables: Sequence[Table], columns: Sequence[str] = ()) -> Figure:
    """Probes: a panel for each table, with factors by levels; a cell is the share of a factor's information
    that is read from a level.

    columns: by default those of each table's levels, "h1", "h2" ...
    """
    height = 1.2 + 0.42 * max(len(table.rows) for table in tables)
    figure = new(min(WIDTH, 1.8 + 3.0 * len(tables)), height)
    axes = figure.subplots(1, len(tables), squeeze=False)[0]
    for axis, table in zip(axes, tables, strict=True):
        names = list(columns) or [name for name in table.header if re.fullmatch(r"h\d+", name)]
        shares = np.array([[cell.value for cell in table.column(name).values()] for name in names]).T
        image = axis.imshow(shares.clip(0, 1), cmap="cividis", vmin=0, vmax=1, aspect="auto")
        for (row, column), share in np.ndenumerate(shares):
            colour = "black" if share > 0.55 else "white"
            axis.text(column, row, f"{share:.2f}", ha="center", va="center", color=colour)
        axis.set_xticks(range(len(names)), names)
        axis.set_yticks(range(len(table.rows)), [plain(str(row[0])) for row in table.rows])
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        axis.set_title(textwrap.fill(plain(table.title), 28))
    figure.colorbar(image, ax=axes.tolist(), label="share of the information", aspect=14)
    return figure


def _dot(axis: Axes, cell: Cell, place: int) -> None:
    if not isinstance(cell, Value):
        return
    scale = 100 if cell.percent else 1
    low, high = _reach(cell)
    axis.errorbar(
        scale * cell.value,
        place,
        xerr=[[scale * low], [scale * high]],
        fmt="o",
        ms=5.5,
        color=COLOURS[0],
        elinewidth=1.6,
    )


def _reach(cell: Value) -> tuple[float, float]:
    """How far the interval goes below and above the value."""
    if cell.low is None or cell.high is None:
        return 0.0, 0.0
    return max(0.0, cell.value - cell.low), max(0.0, cell.high - cell.value)


def _cell(cells: Mapping[str, Cell], name: str, table: Table) -> Cell:
    if name not in cells:
        raise UserError(f"'{table.title}' has no row '{name}'; choose from {', '.join(cells)}")
    return cells[name]


# -- sound


@style()
def case(waveforms: Mapping[str, torch.Tensor]) -> Figure:
    """The log-mels of a case side by side on one colour scale, each below its title.

    waveforms: {title: (samples,) at 44.1 kHz}, such as timbre source, melody source, truth and swap.
    """
    log_mel = LogMel()
    mels = [log_mel(waveform[None])[0].numpy() for waveform in waveforms.values()]
    figure = new(WIDTH, 2.7)
    axes = figure.subplots(1, len(mels), sharey=True, squeeze=False)[0]
    brightest = max(float(mel.max()) for mel in mels)
    for axis, title, mel in zip(axes, waveforms, mels, strict=True):
        _draw_mel(axis, mel, log_mel.config, vmin=0, vmax=brightest)
        axis.set_title(textwrap.fill(plain(title), 26))
        axis.set_xlabel("seconds")
    axes[0].set_ylabel("Hz")
    return figure


@style()
def plot_log_mels(path: str | Path, sources: Mapping[str, Source]) -> None:
    """Write one picture with the log-mel of each source (30 s at most) under its title, on one time axis.

    sources: {title: source}.

    Raises:
        UserError: another extension than png, pdf or svg, or no such folder.
    """
    check_plot(path)
    figure = new(10, 2.6 * len(sources))
    axes = figure.subplots(len(sources), 1, sharex=True, squeeze=False)[:, 0]
    log_mel = LogMel()
    for axis, (title, source) in zip(axes, sources.items(), strict=True):
        sound = beginning(source, SECONDS * SAMPLE_RATE)
        sound = F.pad(sound, (0, max(0, log_mel.config.n_fft - len(sound))))
        mel = log_mel(sound[None])[0]
        _draw_mel(axis, mel.numpy(), log_mel.config)
        axis.set(title=plain(title), ylabel="Hz")
    axes[-1].set_xlabel("seconds")
    save(figure, path)


def hertz_marks(config: MelConfig) -> dict[int, float]:
    """Where the frequencies `HERTZ` lie in a picture of a log-mel: {Hz: share of its height from below}."""
    top = hz_to_mel(config.sample_rate / 2)
    # Band i of the picture has its peak at (i + 1) / (bands + 1) of the mel scale and its middle at i + 1/2.
    places = {hz: ((config.bands + 1) * hz_to_mel(hz) / top - 0.5) / config.bands for hz in HERTZ}
    return {hz: float(place) for hz, place in places.items() if place < 1}


def _draw_mel(axis: Axes, mel: np.ndarray, config: MelConfig, **scale: Any) -> None:
    """Draw `mel` (bands, frames) with axes in Hz and seconds."""
    seconds = mel.shape[-1] * config.hop / config.sample_rate
    axis.imshow(mel, origin="lower", aspect="auto", cmap="magma", extent=(0, seconds, 0, 1), **scale)
    marks = hertz_marks(config)
    axis.set_yticks(list(marks.values()), [f"{hz:,}".replace(",", " ") for hz in marks])
    axis.spines[:].set_visible(False)
