"""An interactive page of the maps of `msdae.analysis.umap`: hover for a clip's labels, click to listen.

The page is one file that works offline. The points of a clip on all maps are highlighted together.
"""

import json
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.markers import MarkerStyle

from msdae import folders
from msdae.analysis.umap import COLOURS, MARKERS, PITCH_COLOURS, Maps, Point
from msdae.audio.files import SAMPLE_RATE
from msdae.evaluation.media import mp3
from msdae.files import atomic
from msdae.progress import Progress, silent
from msdae.symbolic.instruments import FAMILIES

RATE = 48  # kb/s of the sounds; 300 clips of 3 s take 7 MB
_TEMPLATE = folders.ASSETS / "umap.html"


def write(maps: Maps, path: str | Path, progress: Progress = silent) -> None:
    """Write the maps and the sound of every point to one page.

    Raises:
        UserError: a recording that a clip was cut from is missing.
    """
    pitches = [point.pitch for point in maps.points if point.pitch is not None]
    low, high = (min(pitches), max(pitches)) if pitches else (0.0, 1.0)
    document = {
        "title": maps.title,
        "families": [
            {"name": family.replace("_", " "), "colour": colour, "path": _marker(marker)}
            for family, colour, marker in zip(FAMILIES, COLOURS, MARKERS, strict=True)
        ],
        "pitch": {"low": low, "high": high, "colours": [_shade(share) for share in np.linspace(0, 1, 16)]},
        "places": np.round(maps.places, 4).tolist(),
        "points": [
            _described(point, low, high)
            for point in progress(maps.points, desc="sounds", unit="clip", leave=False)
        ],
    }
    data = json.dumps(document).replace("</", "<\\/")  # no label may end the script
    with atomic(path) as temporary:
        temporary.write_text(_TEMPLATE.read_text("utf-8").replace("/*DATA*/", data), "utf-8")


def _described(point: Point, low: float, high: float) -> dict:
    colour = "#aaaaaa" if point.pitch is None else _shade((point.pitch - low) / max(high - low, 1e-9))
    return {
        "family": FAMILIES.index(point.family),
        "label": f"{point.instrument or point.family}: {point.name}",
        "pitch": point.pitch,
        "colour": colour,
        "sound": mp3(point.cache.waveform(point.index, SAMPLE_RATE), RATE),
    }


def _shade(share: float) -> str:
    return to_hex(colormaps[PITCH_COLOURS](share))


def _marker(marker: str) -> str:
    """The marker as an SVG path, from -1 to 1 around the origin, with y downwards."""
    style = MarkerStyle(marker)
    outlines = style.get_path().transformed(style.get_transform()).to_polygons()
    scale = max(np.abs(outline).max() for outline in outlines)
    return "".join(
        "M" + "L".join(f"{x:.2f} {-y:.2f}" for x, y in outline / scale) + "Z" for outline in outlines
    )
