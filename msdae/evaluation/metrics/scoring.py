"""Recordings scored against their references, which may be scores: pairs of files, or of folders.

A new metric is a function of a `Pair` in `METRICS`, or of two sets of embeddings in `SET_METRICS`.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch

from msdae import audio
from msdae.errors import UserError, printable
from msdae.evaluation.metrics import embeddings, timbre
from msdae.evaluation.metrics.distance import log_mel_distance, mel_mse, mel_ssim
from msdae.evaluation.metrics.frechet import fad, fad_infinity
from msdae.evaluation.metrics.kernel import kad
from msdae.evaluation.metrics.melody import note_f1, pitch_accuracy, transcribe
from msdae.files import atomic
from msdae.inference.sources import read_sound
from msdae.symbolic import scores
from msdae.symbolic.midi import read_midi

FEWEST = 4  # pairs that a comparison of sets needs
SLACK = 0.1  # s by which a file may be longer or shorter than its reference
SHORTEST = 0.1  # s; all metrics are defined from this length on
LOUDEST = 1e12  # largest sample; the squares of larger ones overflow


@dataclass(frozen=True)
class Pair:
    """A file and its reference.

    name: path of the file relative to the folder that was given, without extension; of a single file, its
        name.
    reference: a recording, or a score, which is played.
    midi: a score with the reference's notes; None if they are to be transcribed from `reference`.
    """

    name: str
    file: Path
    reference: Path
    midi: Path | None = None

    @cached_property
    def waveforms(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Reference and file, (samples,) each at 44.1 kHz, cut to the length of the shorter one.

        Raises:
            UserError: one is unreadable, shorter than `SHORTEST` or louder than `LOUDEST`, or the lengths
                differ by more than `SLACK`.
        """
        reference, estimate = _read(self.reference), _read(self.file)
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
        """The notes of the reference (written or heard) and those heard in the file, (notes, 3) each."""
        reference, estimate = self.waveforms
        heard = transcribe(estimate, audio.SAMPLE_RATE)
        if self.midi is None:
            return transcribe(reference, audio.SAMPLE_RATE), heard
        written = self.midi.suffix.lower() in scores.MIDI  # may be silent, as a recording may be
        notes = read_midi(self.midi, drums=False, controls=True) if written else scores.read_notes(self.midi)
        return np.array(notes, dtype=float).reshape(-1, 4)[:, :3], heard


def _read(path: Path) -> torch.Tensor:
    waveform = read_sound(path)
    if len(waveform) < SHORTEST * audio.SAMPLE_RATE:
        raise UserError(f"{printable(path)}: shorter than {SHORTEST} s; give more of it")
    if (peak := float(waveform.abs().max())) > LOUDEST:
        raise UserError(f"{printable(path)}: has samples up to {peak:.0e}, not 1; export it again as PCM")
    return waveform


def _pitch_accuracy(pair: Pair) -> float:
    """1 or 0 if the reference is a single note, else NaN."""
    reference, estimate = pair.notes
    return pitch_accuracy(reference[:, 2], [estimate]) if len(reference) == 1 else math.nan


def _timbre(pair: Pair) -> float:
    """Cosine similarity of the timbre embeddings, -1 to 1."""
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

# Functions of two sets of embeddings (clips, dim), references and files, whose rows are pairs.
SET_METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "FAD": fad,
    "FAD-infinity": partial(fad_infinity, paired=True),
    "KAD": partial(kad, paired=True),
}

Row = dict[str, str | float | None]


def score(pairs: Iterable[Pair]) -> tuple[list[Row], list[str]]:
    """Score pairs by `METRICS`.

    Returns a row for each pair, with its name and the value of each metric (None if the metric does not apply
    to the pair), and the error messages of the pairs that could not be scored.
    """
    rows: list[Row] = []
    errors: list[str] = []
    for pair in pairs:
        fresh = replace(pair)  # a copy, so that its cached sound does not stay in memory
        try:
            values = {name: metric(fresh) for name, metric in METRICS.items()}
        except UserError as error:
            errors.append(str(error))
        else:
            known = {name: None if math.isnan(value) else value for name, value in values.items()}
            rows.append({"name": pair.name, **known})
    return rows, errors


def mean(rows: Sequence[Row]) -> Row:
    """The row of means over at least one row; None for a metric of which no row has a value."""
    columns = {name: [row[name] for row in rows if row[name] is not None] for name in METRICS}
    means = {name: float(np.mean(values)) if values else None for name, values in columns.items()}
    return {"name": "mean", **means}


def score_sets(pairs: Sequence[Pair], embedding: str = "embedded") -> dict[str, float]:
    """`SET_METRICS` of all files as one set against all references as the other.

    Raises:
        UserError: fewer than `FEWEST` pairs, or as `embeddings.load`.
    """
    if len(pairs) < FEWEST:
        raise UserError(f"{len(pairs)} recordings are too few to compare sets; give {FEWEST} or more")
    network = embeddings.load(embedding)
    points = torch.stack(
        [network.embed(torch.stack(replace(pair).waveforms), audio.SAMPLE_RATE) for pair in pairs], dim=1
    )
    return {name: metric(*points.numpy()) for name, metric in SET_METRICS.items()}


def write(rows: Sequence[Row], sets: dict[str, float], path: str | Path, errors: Sequence[str] = ()) -> None:
    """Write {"files": `rows`, "sets": `sets`, "errors": `errors`} as JSON, atomically."""
    document = {"files": rows, "sets": sets, "errors": errors}
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(document, indent=2) + "\n")


def pair_up(path: str | Path, reference: str | Path, midi: bool = False) -> tuple[list[Pair], list[str]]:
    """Pair two files, or the files of two folders whose relative paths without extension are equal.

    midi: take a reference's notes from the MIDI file of its name next to it, or from the reference itself if
        it is a score.

    Returns the pairs, and error messages for the files of either folder without a partner or MIDI file.

    Raises:
        UserError: a path is missing, one is a file and the other a folder, a folder has no recordings or two
            references of one name, or the reference of a single file has no MIDI file.
    """
    path, reference = Path(path), Path(reference)
    for place in (path, reference):
        if not place.exists():
            raise UserError(f"{printable(place)}: no such file or folder; check the path")
    if path.is_dir() != reference.is_dir():
        raise UserError(f"{printable(path)} and {printable(reference)}: give two files or two folders")
    if not path.is_dir():
        return [Pair(path.name, path, reference, _midi_of(reference) if midi else None)], []
    references = by_name(reference, played=True)
    pairs: dict[str, Pair] = {}
    errors: list[str] = []
    alone = set(references)
    for file in recordings(path):
        name = _name(file, path)
        alone.discard(name)
        try:
            if name in pairs:
                raise UserError(f"{printable(file)}: {pairs[name].file.name} has its name; rename one")
            if name not in references:
                raise UserError(f"{printable(file)}: no counterpart in {printable(reference)}; add one")
            pairs[name] = Pair(name, file, references[name], _midi_of(references[name]) if midi else None)
        except UserError as error:
            errors.append(str(error))
    errors += [
        f"{printable(references[name])}: no counterpart in {printable(path)}; add one"
        for name in sorted(alone)
    ]
    return list(pairs.values()), errors


def recordings(path: str | Path, played: bool = False) -> list[Path]:
    """The recordings in a folder and its subfolders, sorted, without hidden ones; of a file, the file itself.

    played: include scores (MIDI, MusicXML) for which there is no recording of the same name.

    Raises:
        UserError: the folder has none.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    shown = [
        file for file in path.rglob("*") if not any(p.startswith(".") for p in file.relative_to(path).parts)
    ]
    files = [file for file in shown if file.suffix.lower() in audio.SUFFIXES]
    names = {file.with_suffix("") for file in files}
    if played:
        files += [file for file in shown if scores.is_score(file) and file.with_suffix("") not in names]
    if not files:
        suffixes = (*audio.SUFFIXES, *scores.SUFFIXES) if played else audio.SUFFIXES
        raise UserError(f"{printable(path)}: has no recordings; give files of {', '.join(suffixes)}")
    return sorted(files)


def by_name(folder: Path, played: bool = False) -> dict[str, Path]:
    """`recordings` of a folder as {path relative to it without extension: file}.

    Raises:
        UserError: as `recordings`, or two files have the same name.
    """
    files: dict[str, Path] = {}
    for file in recordings(folder, played):
        if (other := files.setdefault(_name(file, folder), file)) is not file:
            raise UserError(f"{printable(file)}: {printable(other.name)} has its name; rename one")
    return files


def _name(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()


def _midi_of(reference: Path) -> Path:
    if scores.is_score(reference):
        return reference
    for suffix in (*scores.MIDI, *map(str.upper, scores.MIDI)):
        if reference.with_suffix(suffix).exists():
            return reference.with_suffix(suffix)
    missing = printable(reference.with_suffix(".mid"))
    raise UserError(f"{missing}: no such file; --midi reads the notes next to the reference")
