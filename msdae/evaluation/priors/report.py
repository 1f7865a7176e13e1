"""The tables and the picture of priors."""

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import wasserstein_distance

from msdae.evaluation.figures import COLOURS, MARKERS, new, plain, save, style
from msdae.evaluation.metrics.bootstrap import interval
from msdae.evaluation.metrics.classifier import Classifier
from msdae.evaluation.metrics.embeddings import Embedding
from msdae.evaluation.metrics.frechet import fad
from msdae.evaluation.metrics.kernel import kad
from msdae.evaluation.metrics.melody import transcribe_batch
from msdae.evaluation.priors.notes import FIGURES, LONG, Notes, thirds
from msdae.evaluation.priors.samples import Samples
from msdae.evaluation.priors.settings import Settings
from msdae.evaluation.tables import EMPTY, Cell, Table, Value, mean_cell
from msdae.symbolic.captions import REGISTERS, Traits, captions, value_of
from msdae.symbolic.instruments import FAMILIES, INSTRUMENTS

TOGETHER = 16  # samples embedded or transcribed at once
PART = 3.0  # seconds of the parts of a third, which are compared with each other
ABOUT = (
    "{count} samples of {seconds:g} s; KAD and FAD against held-out recordings through the codec, with the "
    "embedding {embedding}; other recordings are those that priors are trained on. Notes are transcribed by "
    "Basic Pitch; their distance is the mean Wasserstein distance of the five figures after it, each in "
    "standard deviations of the recordings. Speed: seconds of music per second, with rendering, on this "
    "machine."
)
MIDDLE = (
    "{count} pieces of {seconds:g} s: the middle third, the mean of the first and last third, and the "
    "interval of the difference. Repetition: share of runs of four intervals that occurred before in the "
    "same third. Self-similarity: mean cosine of the embeddings of its parts of three seconds. KAD: against "
    "the same thirds of held-out recordings. Recordings are as long, or as long as most of them are."
)
ASKED = (
    "{count} samples asked for by family and register in words. Heard: by the instrument classifier, which "
    "is right about the family of {right} of the recordings and of {made} of their renderings by the model; "
    "and by the median pitch of Basic Pitch's notes. Chance is {chance} and a third."
)


def embedded(samples: Samples, embedding: Embedding, rate: int) -> np.ndarray:
    """The embeddings of the samples, (samples, dim)."""
    parts = samples.waveforms.split(TOGETHER)
    return torch.cat([embedding.embed(part, rate) for part in parts]).double().numpy()


def transcribed(samples: Samples, rate: int) -> list[Notes]:
    """The notes that are heard in each sample."""
    return [
        notes for part in samples.waveforms.split(TOGETHER) for notes in transcribe_batch(list(part), rate)
    ]


def main_table(
    systems: Sequence[Samples],
    reference: Samples,
    embedding: Embedding,
    rate: int,
    command: str = "",
    advance: Callable[[], Any] = lambda: None,
) -> Table:
    """A table with a row for each system: how near it is to the recordings `reference`.

    rate: sample rate in Hz. advance: is called after each system.
    """
    seconds = reference.waveforms.shape[1] / rate
    points, known = embedded(reference, embedding, rate), _figures(transcribed(reference, rate), seconds)
    rows = []
    for system in systems:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of few clips, as the note says how many there are
            own = embedded(system, embedding, rate)
            distances = Value(kad(points, own), digits=2), Value(fad(points, own), digits=1)
        figures = _figures(transcribed(system, rate), seconds)
        away = [_distance(known[name], figures[name]) for name in FIGURES if len(set(known[name])) > 1]
        means = [mean_cell(figures[name]) for name in FIGURES]
        speed = Value(system.speed, digits=1) if system.speed else EMPTY
        mean_away = Value(float(np.mean(away)), digits=2) if away else EMPTY
        rows.append((system.name, *distances, mean_away, *means, speed))
        advance()
    header = ("system", "KAD ↓", "FAD ↓", "distance of notes ↓", *FIGURES, "speed ↑")
    about = ABOUT.format(count=len(systems[-1].waveforms), seconds=seconds, embedding=embedding.name)
    return Table("Priors", header, tuple(rows), about, command)


Thirds = Mapping[str, np.ndarray]  # {figure: (pieces, 3)}, or (1, 3) for a figure of all pieces together


def by_thirds(
    systems: Sequence[Samples],
    reference: Samples,
    embedding: Embedding,
    rate: int,
    advance: Callable[[], Any] = lambda: None,
) -> dict[str, Thirds]:
    """The figures of the thirds of long pieces: {system: {figure: values}}.

    rate: sample rate in Hz. advance: is called after each system.
    """
    known = [_points(third, embedding, rate) for third in _thirds(reference)]
    found = {}
    for system in systems:
        seconds = system.waveforms.shape[1] / rate
        parts = [thirds(notes, seconds) for notes in transcribed(system, rate)]
        values = {
            name: np.array([[figure(third, seconds / 3) for third in piece] for piece in parts])
            for name, figure in LONG.items()
        }
        points = [_points(third, embedding, rate) for third in _thirds(system)]
        values["self-similarity"] = np.array([[_similarity(piece) for piece in third] for third in points]).T
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of few clips, as the note says how many there are
            distances = [kad(_flat(a), _flat(b)) for a, b in zip(known, points, strict=True)]
        found[system.name] = values | {"KAD": np.array([distances])}
        advance()
    return found


def middle_table(found: Mapping[str, Thirds], settings: Settings, command: str = "") -> Table:
    """A table that compares the middle third of long pieces with both ends. found: from `by_thirds`."""
    rows = []
    for name, values in found.items():
        rows.append((name, *(_beside(value[:, 1], value[:, [0, 2]]) for value in values.values())))
    about = MIDDLE.format(count=settings.pieces, seconds=settings.long)
    return Table(
        "The middle of long pieces", ("system", *next(iter(found.values()))), tuple(rows), about, command
    )


@style()
def plot_thirds(path: str | Path, found: Mapping[str, Thirds]) -> None:
    """Draw the mean of each figure over thirds, a line for each system; a prior's second one is dashed."""
    names = list(next(iter(found.values())))
    looks = _looks(found)
    figure = new(2.9 * len(names) + 2, 3.6)
    axes = figure.subplots(1, len(names), squeeze=False)[0]
    for name, axis in zip(names, axes, strict=True):
        for system, values in found.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a third without any value has no mark
                means = np.nanmean(values[name], axis=0)
            axis.plot(["first", "middle", "last"], means, label=system, ms=4, lw=1.4, **looks[system])
        axis.set(title=plain(name), xlabel="third")
        axis.set_ylim(bottom=0)
        axis.grid(color="#E5E5E5", lw=0.8)
    axes[-1].legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    save(figure, path)


def _looks(systems: Iterable[str]) -> dict[str, dict[str, str]]:
    """The colour, marker and line of each system: the first is black, and a prior's second one is dashed."""
    free = iter([("black", MARKERS[0]), *((colour, mark) for mark in MARKERS for colour in COLOURS)])
    taken: dict[str, tuple[str, str]] = {}
    looks = {}
    for system in systems:
        prior = system.partition(",")[0]
        line = "--" if prior in taken else "-"
        colour, mark = taken[prior] = taken.get(prior) or next(free)
        looks[system] = {"color": colour, "marker": mark, "linestyle": line}
    return looks


def requests(count: int) -> list[tuple[str, str, str]]:
    """`count` requests (family, register, text), which go through families and registers in turn."""
    found = []
    for number in range(count):
        family, register = FAMILIES[number % len(FAMILIES)], REGISTERS[number % len(REGISTERS)][0]
        (text,) = captions(Traits(family=family, register=register), 1, number)
        found.append((family, register, text))
    return found


def asked_row(
    name: str, samples: Samples, asked: Sequence[tuple[str, str]], classifier: Classifier, rate: int
) -> tuple[Cell, ...]:
    """A row of `asked_table`. asked: (family, register) that each sample was asked to have."""
    heard = families(samples, classifier, rate)
    same = np.array([family == one for family, (one, _) in zip(heard, asked, strict=True)], float)
    groups = [family for family, _ in asked]
    places = [_register(notes) for notes in transcribed(samples, rate)]
    high = np.array([place == one for place, (_, one) in zip(places, asked, strict=True)], float)
    return name, mean_cell(same, groups, 0, percent=True), mean_cell(high, digits=0, percent=True)


def asked_table(
    rows: Sequence[tuple[Cell, ...]], count: int, right: Sequence[float | None], command: str = ""
) -> Table:
    """A table of how often samples have the family and the register that they were asked to have.

    rows: from `asked_row`. count: samples of each row.
    right: share of recordings whose family is recognised, and the same after the model rendered their codes.
    """
    shares = ["an unknown share" if share is None else f"{share:.0%}" for share in right]
    about = ASKED.format(count=count, right=shares[0], made=shares[1], chance=f"{1 / len(FAMILIES):.0%}")
    return Table("Asked for in words", ("system", "family ↑", "register ↑"), tuple(rows), about, command)


def families(samples: Samples, classifier: Classifier, rate: int) -> list[str]:
    """The instrument family that the classifier hears in each sample; "" for a program without a family."""
    known = {instrument.program: instrument.family for instrument in INSTRUMENTS}
    parts = samples.waveforms.split(TOGETHER)
    return [known.get(program, "") for part in parts for program in classifier.program(part, rate)]


def recognised(recordings: Samples, classifier: Classifier, rate: int) -> float | None:
    """The share of recordings whose family the classifier recognises; None if no family is known."""
    places = [place for place, labels in enumerate(recordings.labels) if labels.get("family")]
    if not places:
        return None
    known = dataclasses.replace(recordings, waveforms=recordings.waveforms[places])
    heard = families(known, classifier, rate)
    return float(np.mean([recordings.labels[p]["family"] == h for p, h in zip(places, heard, strict=True)]))


def _register(notes: Notes) -> str:
    if not len(notes):
        return ""
    return value_of(REGISTERS, float(np.median(notes[:, 2])))


def _figures(transcriptions: Sequence[Notes], seconds: float) -> dict[str, np.ndarray]:
    found = {name: np.array([f(notes, seconds) for notes in transcriptions]) for name, f in FIGURES.items()}
    return {name: values[np.isfinite(values)] for name, values in found.items()}


def _distance(reference: np.ndarray, values: np.ndarray) -> float:
    """Wasserstein distance in standard deviations of the reference, which needs two different values.

    Without `values`, the range of the reference takes its place.
    """
    away = wasserstein_distance(reference, values) if len(values) else float(np.ptp(reference))
    return away / float(reference.std())


def _thirds(samples: Samples) -> Sequence[torch.Tensor]:
    size = samples.waveforms.shape[1] // 3
    return samples.waveforms[:, : 3 * size].split(size, dim=1)


def _points(third: torch.Tensor, embedding: Embedding, rate: int) -> np.ndarray:
    """Embeddings of the parts of a third: (pieces, samples) -> (pieces, parts, dim)."""
    size = min(third.shape[1], round(PART * rate))
    count = third.shape[1] // size
    parts = third[:, : count * size].reshape(-1, size)
    points = torch.cat([embedding.embed(part, rate) for part in parts.split(TOGETHER)])
    return points.view(len(third), count, -1).double().numpy()


def _flat(points: np.ndarray) -> np.ndarray:
    return points.reshape(-1, points.shape[-1])


def _similarity(points: np.ndarray) -> float:
    """Mean cosine of all pairs of parts, (parts, dim); 1 for a single part."""
    length = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    pairs = np.triu_indices(len(points), 1)
    return float((length @ length.T)[pairs].mean()) if len(points) > 1 else 1.0


def _beside(middle: np.ndarray, ends: np.ndarray) -> str:
    """The means of the middle and of the ends, "0.41 / 0.39", with the interval of their difference."""
    usable = np.isfinite(middle) & np.isfinite(ends).all(axis=1)
    if not usable.any():
        return EMPTY
    middle, outer = middle[usable], ends[usable].mean(axis=1)
    text = f"{middle.mean():.2f} / {outer.mean():.2f}"
    low, high = interval(middle - outer, [str(n) for n in range(len(middle))])
    return text if low is None else f"{text} [{low:+.2f}, {high:+.2f}]"


def steps_table(distances: Mapping[str, Mapping[int, float]], command: str = "") -> Table:
    """A table of the distances of codes by sampling steps. distances: {prior: {steps: Fréchet distance}}."""
    counts = list(next(iter(distances.values())))
    rows = [(name, *(Value(by[count], digits=1) for count in counts)) for name, by in distances.items()]
    about = (
        "Fréchet distance ↓ of codes, not rendered, to those of held-out recordings, over points as "
        "long as the longest code frame."
    )
    return Table("Steps", ("prior", *(f"{count} steps" for count in counts)), tuple(rows), about, command)
