"""Tables for the screen and for Markdown files."""

from collections.abc import Sequence


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
