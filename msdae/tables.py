"""Tables for the screen and for Markdown files."""

from collections.abc import Sequence
from dataclasses import dataclass


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


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(3, *(len(cell) for cell in column)) for column in zip(header, *rows, strict=True)]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
