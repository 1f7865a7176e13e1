"""Tables for the screen, for Markdown files and for pages."""

import json
import re
from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass
from html import escape
from pathlib import Path

from msdae.checkpoint import atomic
from msdae.errors import UserError


@dataclass(frozen=True)
class Table:
    """A table that says what it shows.

    header, rows: cells as text, the first of each row its name.
    note: how to read it. command: what prints it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    command: str = ""

    def text(self) -> str:
        """Title, note and columns for the screen."""
        head = [self.title, *([self.note] if self.note else []), ""]
        return "\n".join([*head, text(self.header, self.rows)])

    def markdown(self) -> str:
        """A section of Markdown: heading, note, the command that printed it, the table."""
        parts = [f"### {self.title}"]
        parts += [self.note] if self.note else []
        parts += [f"`{self.command}`"] if self.command else []
        return "\n\n".join([*parts, markdown(self.header, self.rows)])

    def html(self, competing: Collection[str] = ()) -> str:
        """A section of a page: heading, note, the command that printed it, the table, which scrolls sideways.

        competing: names of the rows whose best cell is bold, in each column whose heading ends with an arrow
            to the better side (`↑` or `↓`).
        """
        title = escape(self.title)
        parts = [f"<h3>{title}</h3>"]
        parts += [f"<p>{escape(self.note)}</p>"] if self.note else []
        parts += [f"<p><code>{escape(self.command)}</code></p>"] if self.command else []
        body = html(self.header, self.rows, _best(self.header, self.rows, competing))
        scroll = f'<div class="scroll" role="region" tabindex="0" aria-label="{title}">\n{body}\n</div>'
        return "\n".join(["<section>", *parts, scroll, "</section>"])


def write_markdown(path: str | Path, made: Sequence[Table]) -> None:
    """Write the sections of all tables to one Markdown file, atomically."""
    with atomic(path) as temporary:
        temporary.write_text("\n\n".join(table.markdown() for table in made) + "\n")


def load(path: str | Path) -> list[Table]:
    """The tables in `path`, a JSON list of them as dictionaries.

    Raises:
        UserError: no such file, or not such a list.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return [_table(**fields) for fields in json.load(file)]
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); run the command that makes it"
        ) from error
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: not a list of tables ({error}); make it again") from error


def _table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], note: str = "", command: str = ""
) -> Table:
    if any(len(row) != len(header) for row in rows):
        raise ValueError(f"rows of '{title}' are not as long as its header")
    return Table(title, tuple(header), tuple(tuple(map(str, row)) for row in rows), note, command)


def text(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned with spaces, the first to the left, the others to the right."""
    widths = _widths(header, rows)
    return "\n".join("  ".join(_aligned(row, widths)).rstrip() for row in [header, *rows])


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same as a Markdown table."""
    widths = _widths(header, rows)
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [_aligned(header, widths), rule, *(_aligned(row, widths) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def html(
    header: Sequence[str], rows: Sequence[Sequence[str]], bold: Set[tuple[int, int]] = frozenset()
) -> str:
    """The same as an HTML table, intervals apart from their values.

    bold: (row, column) of the cells to point out.
    """
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = [
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(_html_cell(cell, (row, column) in bold) for column, cell in enumerate(cells, start=1))
        + "</tr>"
        for row, (name, *cells) in enumerate(rows)
    ]
    return "\n".join(["<table>", f"<thead><tr>{head}</tr></thead>", "<tbody>", *body, "</tbody>", "</table>"])


def _html_cell(cell: str, bold: bool) -> str:
    value, interval = _parts(cell)
    shown = f"<b>{escape(value)}</b>" if bold else escape(value)
    shown += f' <span class="interval">{escape(interval)}</span>' if interval else ""
    return f"<td>{shown}</td>"


def _best(
    header: Sequence[str], rows: Sequence[Sequence[str]], competing: Collection[str]
) -> set[tuple[int, int]]:
    """(row, column) of the best cells among the competing rows, where these differ."""
    best = set()
    for column, name in enumerate(header):
        sign = {"↑": 1, "↓": -1}.get(name[-1:], 0)
        values = {
            (index, column): sign * number
            for index, row in enumerate(rows)
            if row[0] in competing and (number := _number(row[column])) is not None
        }
        if sign and len(set(values.values())) > 1:
            best |= {place for place, value in values.items() if value == max(values.values())}
    return best


def _number(cell: str) -> float | None:
    """What `cell` begins with: a number, with a unit or an interval after it or not."""
    found = re.match(r"\s*[-+]?(\d+\.?\d*|\.\d+)", cell.replace("−", "-"))
    return float(found[0]) if found else None


def _parts(cell: str) -> tuple[str, str]:
    """Value and interval of a cell such as "0.335 [0.227, 0.419]"; the interval is "" without one."""
    value, bracket, rest = cell.partition("[")
    return value.strip(), bracket + rest


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(3, *(len(cell) for cell in column)) for column in zip(header, *rows, strict=True)]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
