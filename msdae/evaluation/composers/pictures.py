"""Pictures of composers: their tunes, their training curves, and their pitch embeddings."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from msdae.evaluation.figures import COLOURS, new, plain, save, style
from msdae.evaluation.rolls import plot_roll
from msdae.files import read_json_lines
from msdae.models.composers import Composer
from msdae.symbolic.notes import Score, key_name
from msdae.training.log import TRAINING_LOSS, VALIDATION_LOSS

SHOWN = 4  # tunes of a composer that are drawn
OCTAVES = (48, 84)  # MIDI pitches whose embeddings are drawn; the last one is excluded


def plot_samples(path: str | Path, name: str, scores: Sequence[Score]) -> None:
    """Draw the piano rolls of a composer's first `SHOWN` tunes to `path`."""
    plot_roll(path, {f"{name}, sample {number + 1}": s for number, s in enumerate(scores[:SHOWN])}, 2)


@style()
def plot_curves(path: str | Path, logs: Mapping[str, str | Path]) -> None:
    """Draw the training and validation losses of several trainings to `path`, a panel for each.

    logs: {title: log file of a training}.
    """
    figure = new(9, 0.4 + 2.4 * -(-len(logs) // 2))
    axes = figure.subplots(-(-len(logs) // 2), 2, squeeze=False).flat
    for (title, log), axis in zip(logs.items(), axes, strict=False):
        rows = read_json_lines(log)
        shown = [key for key in _curves(rows) if any(key in row for row in rows)]
        for number, key in enumerate(shown):
            points = [(row["step"], row[key]) for row in rows if key in row]
            axis.plot(*zip(*points, strict=True), color=COLOURS[number % len(COLOURS)], label=key, lw=1.4)
        axis.set(title=plain(title), xlabel="step")
        axis.legend(frameon=False)
        axis.grid(color="#E5E5E5", lw=0.8)
    for axis in list(axes):
        axis.set_visible(False)
    save(figure, path)


def _curves(rows: Sequence[Mapping[str, float]]) -> list[str]:
    """The names of the losses to draw: training, validation, and those of a GAN's critic."""
    others = [key for key in (rows[0] if rows else {}) if key.startswith("critic")]
    return [TRAINING_LOSS, VALIDATION_LOSS, *others]


@style()
def plot_embeddings(path: str | Path, composers: Mapping[str, Composer]) -> None:
    """Draw two principal components of each composer's pitch embeddings to `path`, labelled by key.

    Nothing is written if no composer has such embeddings.
    """
    shown = {name: c for name, c in composers.items() if hasattr(c, "pitch") or hasattr(c, "symbol")}
    if not shown:
        return
    figure = new(4.5 * len(shown), 4.4)
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    for axis, (name, composer) in zip(axes, shown.items(), strict=True):
        table = getattr(composer, "pitch", None) or composer.symbol
        points = table.weight.detach().numpy()[slice(*OCTAVES)]
        points = points - points.mean(axis=0)
        plane = points @ np.linalg.svd(points, full_matrices=False)[2][:2].T
        for pitch, (x, y) in zip(range(*OCTAVES), plane, strict=True):
            colour = COLOURS[(pitch - OCTAVES[0]) // 12 % len(COLOURS)]
            axis.text(x, y, key_name(pitch), color=colour, ha="center", fontsize=9)
        axis.set(title=plain(name), xlim=_reach(plane[:, 0]), ylim=_reach(plane[:, 1]))
        axis.set_xticks([])
        axis.set_yticks([])
    save(figure, path)


def _reach(values: np.ndarray) -> tuple[float, float]:
    margin = 0.1 * float(np.ptp(values)) + 1e-6
    return float(values.min()) - margin, float(values.max()) + margin
