"""The swap scores of a results folder as a picture file of its own, for a README or a paper."""

from html import escape
from pathlib import Path

from msdae.audio.files import check_folder
from msdae.checkpoint import atomic
from msdae.errors import UserError
from msdae.evaluation.report import chart, scores
from msdae.evaluation.report import results as folders

COLOURS = ("#0072b2", "#c4520a", "#00805c", "#a63d80", "#7a6a00")
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1d1f21 }
.tick, .iso { fill: #5c6066 } text.iso { font-size: 10px }
.frame { fill: #fff; stroke: #5c6066 } polyline.iso { fill: none; stroke: #d9d6cd }
.bound { stroke: #1d1f21; stroke-width: 1.5 } .label { font-size: 11px }
"""
LEGEND = 22  # pixels a line


def write(results: str | Path, path: str | Path) -> Path:
    """Write the swap scores of the first set of cases in `results` to `path`, an SVG with its own legend.

    Raises:
        UserError: another extension than svg, no such folder, or the results are unfinished or damaged.
    """
    path = Path(path)
    if path.suffix.lower() != ".svg":
        raise UserError(f"{path}: the figure is an SVG; choose a name that ends in .svg")
    check_folder(path)
    read = folders.read(results)
    panel = next(scores.panels(read))
    with atomic(path) as temporary:
        temporary.write_text(_standalone(panel, read.systems), encoding="utf-8")
    return path


def _standalone(panel: scores.Panel, systems: list[str]) -> str:
    """`panel` under its title, the marks named below it."""
    width, height = chart.LEFT + chart.SIDE + chart.RIGHT, chart.TOP + chart.SIDE + chart.BOTTOM
    colours = "".join(
        f".model{number} {{ fill: {colour}; stroke: {colour} }}" for number, colour in enumerate(COLOURS)
    )
    style = f"<style>{STYLE}{colours}.hollow {{ fill: #fff; stroke-width: 2 }}</style>"
    keys = [
        f'<g transform="translate({chart.LEFT + 8} {LEGEND + height + LEGEND * number + 6})">'
        f'{chart.shape(str(number))}<text x="14" y="4">{escape(name)}</text></g>'
        for number, name in enumerate(systems)
    ]
    total = LEGEND * (len(systems) + 1) + height
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" width="{width}">',
            style,
            f'<rect width="{width}" height="{total}" fill="#fff"/>',
            f'<text x="{chart.LEFT}" y="15" font-weight="bold">{escape(panel.title)}</text>',
            panel.svg.replace("<svg ", f'<svg y="{LEGEND}" width="{width}" height="{height}" ', 1),
            *keys,
            "</svg>\n",
        ]
    )
