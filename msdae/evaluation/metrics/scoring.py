"""Recordings against their references: a number a metric and pair of files, or a metric and pair of folders.

A new metric is a function of a `Pair` in `METRICS`, or of two sets of embeddings in `SET_METRICS`.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch

from msdae import audio
from msdae.errors import UserError
from msdae.evaluation.metrics import embeddings, timbre
from msdae.evaluation.metrics.distance import log_mel_distance, mel_mse, mel_ssim
from msdae.evaluation.metrics.frechet import fad, fad_infinity
from msdae.evaluation.metrics.kernel import kad
from msdae.evaluation.metrics.melody import note_f1, pitch_accuracy, read_midi, transcribe
from msdae.files import atomic

SUFFIXES = {".wav", ".flac", ".ogg", ".mp3"}
FEWEST = 4  # pairs that sets are compared from
SLACK = 0.1  # s that a file may be longer or shorter than its reference


@dataclass(frozen=True)
class Pair:
    """A file and what it is compared with.

    name: relative to the folder that was given.
    midi: the reference's notes, where they are not to be heard from `reference`.
    """

    name: str
    file: Path
    reference: Path
    midi: Path | None = None

    @cached_property
    def waveforms(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Reference and file, (samples,) each, cut to the shorter of the two.

        Raises:
            UserError: unreadable, or the lengths differ by more than `SLACK`.
        """
        reference, estimate = audio.read(self.reference), audio.read(self.file)
        difference = abs(len(reference) - len(estimate)) / audio.SAMPLE_RATE
        if difference > SLACK:
            raise UserError(
                f"{self.file}: its length differs by {difference:.2f} s from {self.reference}; "
                "cut both to the same passage"
            )
        samples = min(len(reference), len(estimate))
        return reference[:samples], estimate[:samples]

    @cached_property
    def notes(self) -> tuple[np.ndarray, np.ndarray]:
        """Notes of the reference (MIDI or heard) and notes heard in the file, (notes, 3) each."""
        reference, estimate = self.waveforms
        notes = read_midi(self.midi) if self.midi else transcribe(reference, audio.SAMPLE_RATE)
        return notes, transcribe(estimate, audio.SAMPLE_RATE)


def _pitch_accuracy(pair: Pair) -> float:
    """1 or 0 where the reference is a single note, NaN where it is not."""
    reference, estimate = pair.notes
    return pitch_accuracy(reference[:, 2], [estimate]) if len(reference) == 1 else math.nan


def _timbre(pair: Pair) -> float:
    """Cosine similarity, -1 to 1."""
    reference, estimate = timbre.load().embed(torch.stack(pair.waveforms), audio.SAMPLE_RATE)
    return float(reference @ estimate)


METRICS: dict[str, Callable[[Pair], float]] = {
    "note F1": lambda pair: note_f1(*pair.notes),
    "pitch accuracy": _pitch_accuracy,
    "log-mel dB": lambda pair: log_mel_distance(*pair.waveforms, audio.SAMPLE_RATE),
    "mel SSIM": lambda pair: mel_ssim(*pair.waveforms, audio.SAMPLE_RATE),
    "mel MSE": lambda pair: mel_mse(*pair.waveforms, audio.SAMPLE_RATE),
    "timbre": _timbre,
}

# Of two sets (clips, dim) whose rows are pairs: each clip and what it is compared with.
SET_METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "FAD": fad,
    "FAD-infinity": partial(fad_infinity, paired=True),
    "KAD": partial(kad, paired=True),
}

Row = dict[str, str | float | None]


def score(pairs: Iterable[Pair]) -> list[Row]:
    """One row a pair: its name and the value of each of `METRICS`, None where it says nothing of the pair."""

    def value(metric: Callable[[Pair], float], pair: Pair) -> float | None:
        number = metric(pair)
        return None if math.isnan(number) else number

    return [
        {"name": pair.name, **{name: value(metric, pair) for name, metric in METRICS.items()}}
        for pair in pairs
    ]


def mean(rows: Sequence[Row]) -> Row:
    """The row of means over `rows`, which are at least one; None where none has a value."""
    columns = {name: [row[name] for row in rows if row[name] is not None] for name in METRICS}
    means = {name: float(np.mean(values)) if values else None for name, values in columns.items()}
    return {"name": "mean", **means}


def score_sets(pairs: Sequence[Pair], embedding: str = "embedded") -> dict[str, float]:
    """`SET_METRICS` of all files together against all references together.

    Raises:
        UserError: fewer than `FEWEST` pairs, or as `embeddings.load`.
    """
    if len(pairs) < FEWEST:
        raise UserError(f"{len(pairs)} recordings are too few to compare sets; give {FEWEST} or more")
    network = embeddings.load(embedding)
    points = torch.stack(
        [network.embed(torch.stack(pair.waveforms), audio.SAMPLE_RATE) for pair in pairs], dim=1
    )
    return {name: metric(*points.numpy()) for name, metric in SET_METRICS.items()}


def write(rows: Sequence[Row], sets: dict[str, float], path: str | Path) -> None:
    """Write {"files": `rows`, "sets": `sets`} as JSON.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        with atomic(path) as temporary:
            temporary.write_text(json.dumps({"files": rows, "sets": sets}, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose another file") from error


def pair_up(path: str | Path, reference: str | Path, midi: bool = False) -> list[Pair]:
    """Two files, or the files of two folders that have the same relative path without extension.

    midi: take the reference's notes from the .mid file next to it.

    Raises:
        UserError: one is missing or is a file where the other is a folder; a file without its
            counterpart; an empty folder; no .mid file.
    """
    path, reference = Path(path), Path(reference)
    for place in (path, reference):
        if not place.exists():
            raise UserError(f"{place}: no such file or folder; check the path")
    if path.is_dir() != reference.is_dir():
        raise UserError(f"{path} and {reference}: give two files or two folders")
    if not path.is_dir():
        return [Pair(path.name, path, reference, _midi_of(reference) if midi else None)]
    files, references = _sounds(path), _sounds(reference)
    missing = sorted(files.keys() - references.keys())
    if not files:
        raise UserError(f"{path}: has no recordings ({', '.join(sorted(SUFFIXES))})")
    if missing:
        raise UserError(
            f"{path}: {missing[0]} and {len(missing) - 1} others have no counterpart in {reference}"
        )
    return [
        Pair(name, file, references[name], _midi_of(references[name]) if midi else None)
        for name, file in sorted(files.items())
    ]


def _sounds(folder: Path) -> dict[str, Path]:
    files = (file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in files}


def _midi_of(reference: Path) -> Path:
    for suffix in (".mid", ".midi"):
        if reference.with_suffix(suffix).exists():
            return reference.with_suffix(suffix)
    raise UserError(
        f"{reference.with_suffix('.mid')}: no such file; --midi reads the notes next to the reference"
    )
