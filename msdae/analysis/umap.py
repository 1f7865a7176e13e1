"""Maps of what the codes of a model hold: UMAP of their time averages, coloured by instrument and pitch.

There is a map for each level, model and kind of clips, as in the thesis's figures 18 to 21. Source of UMAP:
McInnes et al. 2018.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from msdae.analysis.probes.representations import average, encode, read
from msdae.data import ClipCache
from msdae.data.labels import KINDS
from msdae.errors import UserError
from msdae.evaluation import figures
from msdae.models.autoencoder import Autoencoder
from msdae.progress import Progress, silent
from msdae.symbolic.instruments import FAMILIES

# A colour-blind-safe colour (Tol's "muted", with orange and black) and a marker for each family.
COLOURS = (
    "#332288", "#CC6677", "#88CCEE", "#117733", "#222222", "#DDAA33",
    "#44AA99", "#882255", "#EE7733", "#AA4499", "#999933",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
PITCH_COLOURS = "viridis"
FEWEST = 16  # clips that a map needs
_PREFIX = "umap-"


@dataclass(frozen=True)
class Point:
    """A clip on the maps.

    cache, index: where the clip is. pitch: MIDI pitch of its note, or the mean of its notes; None if unknown.
    """

    cache: ClipCache
    index: int
    name: str
    family: str
    instrument: str
    pitch: float | None


@dataclass(frozen=True)
class Maps:
    """The maps of the same clips for all levels.

    places: (levels, clips, 2), in [0, 1] on each level's map.
    """

    title: str
    points: tuple[Point, ...]
    places: np.ndarray


def choose(caches: Sequence[ClipCache], clips: str, most: int = 300) -> tuple[Point, ...]:
    """At most `most` clips with a family, of the kind `clips` ("notes" or "melodies").

    They are evenly spread over all such clips, and in the order of `caches`.
    """
    places = [
        (cache, index)
        for cache in caches
        for index, clip in enumerate(cache.clips)
        if clip.get("kind") == KINDS[clips] and clip.get("family") in FAMILIES
    ]
    spread = np.linspace(0, len(places) - 1, min(most, len(places))).round().astype(int)
    return tuple(_point(*places[number]) for number in spread)


def _point(cache: ClipCache, index: int) -> Point:
    clip = cache.clips[index]
    pitches = [clip["pitch"]] if clip.get("pitch") is not None else [n[2] for n in clip.get("notes") or []]
    pitch = float(np.mean(pitches)) if pitches else None
    return Point(cache, index, clip["name"], clip["family"], str(clip.get("instrument", "")), pitch)


def maps(
    model: Autoencoder, points: Sequence[Point], title: str, seed: int = 0, progress: Progress = silent
) -> Maps:
    """A map of each level's codes of `points`, which have to be in the order of `choose`.

    Raises:
        UserError: fewer than `FEWEST` points, or a cache was made with another codec or log-mel.
    """
    if len(points) < FEWEST:
        raise UserError(
            f"{title}: {len(points)} clips with a family are too few for a map, {FEWEST} are needed"
        )
    parts = []
    for cache in dict.fromkeys(point.cache for point in points):
        cache.require(model.config.codec, model.config.mel)
        indices = [point.index for point in points if point.cache is cache]
        parts.append(read(cache, indices, lambda batch: encode(model, batch), "codes", progress))
    averages = [torch.cat([average(part[level]) for part in parts]) for level in parts[0]]
    places = np.stack([project(level.numpy(), seed) for level in averages])
    return Maps(title, tuple(points), places)


def project(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """UMAP of the standardised features: (clips, channels) -> (clips, 2) in [0, 1].

    Equal seeds give equal maps.
    """
    import umap

    standard = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-6)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_jobs value")  # with a seed it uses one thread
        mapper = umap.UMAP(n_neighbors=min(15, len(standard) - 1), min_dist=0.2, random_state=seed)
        places = mapper.fit_transform(standard)
    low, high = places.min(axis=0), places.max(axis=0)
    return (places - low) / np.maximum(high - low, 1e-9)


def file_stem(*names: str) -> str:
    """The name, without extension, of the files of maps. names: of the checkpoint, the data and the clips."""
    return _PREFIX + "-".join(re.sub(r"[^\w.]+", "-", name).strip("-") for name in names)


def figure_paths(folder: str | Path) -> list[Path]:
    """The pictures of maps in `folder`, sorted by name."""
    return sorted(Path(folder).glob(f"{_PREFIX}*.png"))


@figures.style()
def plot(maps: Maps, path: str | Path) -> None:
    """Draw the maps to `path`, levels side by side: above coloured by instrument, below by pitch.

    Raises:
        UserError: as `figures.save`.
    """
    from matplotlib.lines import Line2D

    levels = len(maps.places)
    figure = figures.new(4 * levels + 1.8, 8.3)
    ratios = [1] * levels + [0.4]  # the last column is for the legend and the colour bar
    axes = figure.subplots(2, levels + 1, squeeze=False, width_ratios=ratios)
    families = np.array([point.family for point in maps.points])
    pitches = np.array([np.nan if point.pitch is None else point.pitch for point in maps.points])
    look = {"s": 34, "linewidths": 0.4, "edgecolors": "white"}
    for level, places in enumerate(maps.places):
        above, below = axes[:, level]
        above.set_title(f"h{level + 1}", fontsize=15)
        for family, colour, marker in zip(FAMILIES, COLOURS, MARKERS, strict=True):
            x, y = places[families == family].T
            above.scatter(x, y, c=colour, marker=marker, **look)
        scale = below.scatter(*places.T, c=pitches, cmap=PITCH_COLOURS, plotnonfinite=True, **look)
        for axis in (above, below):
            axis.set(xticks=[], yticks=[], xlim=(-0.05, 1.05), ylim=(-0.05, 1.05), aspect="equal")
            axis.spines[:].set(visible=True, color="#bbbbbb")
    present = [row for row in zip(FAMILIES, COLOURS, MARKERS, strict=True) if row[0] in families]
    keys = [
        Line2D([], [], color=colour, marker=marker, ls="", ms=8, label=family.replace("_", " "))
        for family, colour, marker in present
    ]
    for axis in axes[:, -1]:
        axis.set_axis_off()
    axes[0, -1].legend(handles=keys, title="instrument", loc="center left", frameon=False, fontsize=12)
    kind = "pitch" if all(point.pitch == round(point.pitch or 0) for point in maps.points) else "mean pitch"
    bar = figure.colorbar(scale, cax=axes[1, -1].inset_axes((0.1, 0.1, 0.15, 0.8)))
    bar.set_label(f"{kind} (MIDI)", fontsize=12)
    figure.suptitle(figures.plain(maps.title), fontsize=15)
    figures.save(figure, path)
