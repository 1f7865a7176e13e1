"""Tables whose cells stay numbers with intervals until they are printed as text, Markdown, HTML or files."""

import csv
import io
import json
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from msdae.errors import UserError
from msdae.evaluation.metrics.bootstrap import interval
from msdae.files import atomic, check_replaceable, read_json, reading

EMPTY = "-"  # a cell without a value
FILES = ("tables.json", "tables.md", "tables.csv")  # in a folder of results, the same tables in each


@dataclass(frozen=True)
class Value:
    """A number in a table, with the ends of its 95 % interval if it has one.

    digits: after the decimal point. percent: the value is a share, which is printed in per cent.
    """

    value: float
    low: float | None = None
    high: float | None = None
    digits: int = 3
    percent: bool = False

    @property
    def point(self) -> str:
        """The number without its interval, as it is printed: "0.335"."""
        return self._printed(self.value)

    @property
    def interval(self) -> str:
        """The interval as it is printed, "[0.227, 0.419]", or ""."""
        if self.low is None or self.high is None:
            return ""
        return f"[{self._printed(self.low)}, {self._printed(self.high)}]"

    def __str__(self) -> str:
        return f"{self.point} {self.interval}".rstrip()

    def _printed(self, number: float) -> str:
        return f"{100 * number if self.percent else number:.{self.digits}f}"


Cell = Value | str


def mean_cell(
    values: Sequence[float] | np.ndarray,
    groups: Sequence[object] | None = None,
    digits: int = 2,
    percent: bool = False,
) -> Cell:
    """The mean of `values`, (any,), with its bootstrap 95 % interval; `EMPTY` if there are none or one is NaN
    or infinite.

    groups: the group of each value, as in `bootstrap.interval`; by default each value is its own group.
    """
    if not len(values) or not np.isfinite(values).all():
        return EMPTY
    names = list(map(str, range(len(values)) if groups is None else groups))
    return Value(float(np.mean(values)), *interval(np.asarray(values), names), digits, percent)


@dataclass(frozen=True)
class Table:
    """A table with all that is needed to read it.

    rows: of cells; the first cell of a row is its name. note: how to read it. command: the command line that
    makes it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    command: str = ""

    def column(self, name: str) -> dict[str, Cell]:
        """The cells of the column `name`: {name of the row: cell}.

        Raises:
            UserError: the table has no such column.
        """
        if name not in self.header:
            raise UserError(f"'{self.title}' has no column '{name}'; choose from {', '.join(self.header)}")
        place = self.header.index(name)
        return {str(row[0]): row[place] for row in self.rows}

    def text(self) -> str:
        """The title, the note and the table as plain text for the screen."""
        head = [self.title, *([self.note] if self.note else []), ""]
        return "\n".join([*head, text(self.header, self.rows)])

    def markdown(self) -> str:
        """A section of Markdown: heading, note, command and table."""
        parts = [f"### {self.title}"]
        parts += [self.note] if self.note else []
        parts += [f"`{self.command}`"] if self.command else []
        return "\n\n".join([*parts, markdown(self.header, self.rows)])

    def html(self, competing: Collection[str] = ()) -> str:
        """A section of a page: heading, note, command and the table, which scrolls sideways.

        competing: names of rows. Among them, the best cell of each column whose heading ends with an arrow
            to the better side (`↑` or `↓`) is bold.
        """
        title = escape(self.title)
        parts = [f"<h3>{title}</h3>"]
        parts += [f"<p>{escape(self.note)}</p>"] if self.note else []
        parts += [f"<p><code>{escape(self.command)}</code></p>"] if self.command else []
        body = html(self.header, self.rows, _best(self.header, self.rows, competing))
        scroll = f'<div class="scroll" role="region" tabindex="0" aria-label="{title}">\n{body}\n</div>'
        return "\n".join(["<section>", *parts, scroll, "</section>"])


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: "1 case", "3 cases". many: the plural, if it is not the singular and an s."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


# -- cells in several formats


def text(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A table in plain text: the first column is aligned to the left, the others to the right."""
    return _tabulated(header, rows, "plain")


def markdown(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A Markdown table."""
    return _tabulated(header, [[str(cell).replace("|", "\\|") for cell in row] for row in rows], "pipe")


def html(
    header: Sequence[str], rows: Sequence[Sequence[Cell]], bold: Set[tuple[int, int]] = frozenset()
) -> str:
    """An HTML table, in which intervals are marked up apart from their values.

    bold: (row, column) of the cells in bold type, both counted from 0.
    """
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = [
        f'<tr><th scope="row">{escape(str(name))}</th>'
        + "".join(_html_cell(cell, (row, column) in bold) for column, cell in enumerate(cells, start=1))
        + "</tr>"
        for row, (name, *cells) in enumerate(rows)
    ]
    return "\n".join(["<table>", f"<thead><tr>{head}</tr></thead>", "<tbody>", *body, "</tbody>", "</table>"])


def _tabulated(header: Sequence[str], rows: Sequence[Sequence[Cell]], form: str) -> str:
    align = ["left", *["right"] * (len(header) - 1)]
    cells = [list(map(str, row)) for row in rows]
    return tabulate(cells, header, tablefmt=form, colalign=align if rows else None, disable_numparse=True)


def _html_cell(cell: Cell, bold: bool) -> str:
    point, interval = (cell.point, cell.interval) if isinstance(cell, Value) else (cell, "")
    shown = f"<b>{escape(point)}</b>" if bold else escape(point)
    shown += f' <span class="interval">{escape(interval)}</span>' if interval else ""
    return f"<td>{shown}</td>"


def _best(
    header: Sequence[str], rows: Sequence[Sequence[Cell]], competing: Collection[str]
) -> set[tuple[int, int]]:
    """(row, column) of the best cells of the competing rows, in columns where their printed values differ."""
    best = set()
    for column, name in enumerate(header):
        sign = {"↑": 1, "↓": -1}.get(name[-1:], 0)
        values = {
            (index, column): sign * float(cell.point)
            for index, row in enumerate(rows)
            if row[0] in competing and isinstance(cell := row[column], Value)
        }
        if sign and len(set(values.values())) > 1:
            best |= {place for place, value in values.items() if value == max(values.values())}
    return best


# -- files


def check_file(path: str | Path) -> None:
    """Raise a UserError if no tables can be written to `path`: unknown extension, or no such folder."""
    path = Path(path)
    _form(path)
    check_replaceable(path)


def write(path: str | Path, tables: Sequence[Table]) -> None:
    """Write `tables` to one file atomically, as Markdown, CSV or JSON by its extension.

    Raises:
        UserError: another extension, or the file cannot be written.
    """
    path = Path(path)
    form = _form(path)
    with atomic(path) as temporary:
        content = form(tables).rstrip("\n") + "\n"
        temporary.write_text(content, "utf-8", "backslashreplace")  # for names that are not UTF-8


def write_folder(folder: str | Path, tables: Sequence[Table]) -> list[Path]:
    """Write the tables to each of `FILES` in `folder`; returns their paths."""
    paths = [Path(folder) / name for name in FILES]
    for path in paths:
        write(path, tables)
    return paths


def read(path: str | Path) -> list[Table]:
    """The tables in a JSON file that `write` wrote.

    Raises:
        UserError: no such file, or it is not a list of tables.
    """
    fix = "run the command that makes it"
    with reading(path, fix):
        return [_from_mapping(**fields) for fields in read_json(path, list, fix)]


def _json(tables: Sequence[Table]) -> str:
    """A JSON list of tables, with a line for each row; fields that are None or False are left out."""
    parts = []
    for table in tables:
        head = json.dumps({"title": table.title, "header": table.header}, ensure_ascii=False)[:-1]
        rows = ",\n  ".join(
            json.dumps([_plain(cell) for cell in row], ensure_ascii=False) for row in table.rows
        )
        tail = json.dumps({"note": table.note, "command": table.command}, ensure_ascii=False)[1:]
        parts.append(f'{head}, "rows": [\n  {rows}\n ],\n {tail}')
    return "[" + ",\n".join(parts) + "]"


def _plain(cell: Cell) -> str | dict[str, Any]:
    if isinstance(cell, str):
        return cell
    return {key: value for key, value in asdict(cell).items() if value is not None and value is not False}


def _from_mapping(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str | Mapping[str, Any]]],
    note: str = "",
    command: str = "",
) -> Table:
    if not all(isinstance(text, str) for text in (title, note, command, *header)):
        raise ValueError("a title, note, command or heading is no text")
    if any(len(row) != len(header) for row in rows):
        raise ValueError(f"rows of '{title}' are not as long as its header")
    cells = (tuple(_value(cell) if isinstance(cell, dict) else str(cell) for cell in row) for row in rows)
    return Table(title, tuple(header), tuple(cells), note, command)


def _value(cell: Mapping[str, Any]) -> Value:
    value = Value(**cell)
    numbers = [number for number in (value.value, value.low, value.high) if number is not None]
    if not all(isinstance(number, (int, float)) for number in numbers) or value.digits not in range(13):
        raise ValueError(f"{cell} is no number with its digits")
    return value


def _csv(tables: Sequence[Table]) -> str:
    """A line for each cell: table, row, column, value or text, and the ends of its interval if it has one."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("table", "row", "column", "value", "low", "high"))
    for table in tables:
        for name, *cells in table.rows:
            for column, cell in zip(table.header[1:], cells, strict=True):
                numbers = (cell.value, cell.low, cell.high) if isinstance(cell, Value) else (cell, None, None)
                writer.writerow((table.title, name, column, *numbers))
    return stream.getvalue()


_FORMS: dict[str, Callable[[Sequence[Table]], str]] = {
    ".md": lambda tables: "\n\n".join(table.markdown() for table in tables),
    ".json": _json,
    ".csv": _csv,
}


def _form(path: Path) -> Callable[[Sequence[Table]], str]:
    if path.suffix.lower() not in _FORMS:
        raise UserError(f"{path}: tables are written as {', '.join(_FORMS)}; choose one of these")
    return _FORMS[path.suffix.lower()]
