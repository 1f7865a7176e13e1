"""Swaps of recordings or scores without a known truth: the melody of an output is compared with the melody
source, its timbre with the timbre source."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from msdae import audio, files
from msdae.audio.files import SAMPLE_RATE
from msdae.audio.resample import resampled
from msdae.codecs import Codec
from msdae.errors import UserError, printable
from msdae.evaluation import source_hash
from msdae.evaluation.metrics import f0, mfcc
from msdae.evaluation.metrics.melody import note_f1, transcribe_batch
from msdae.evaluation.metrics.scoring import by_name
from msdae.evaluation.swapbench.manifest import identity
from msdae.evaluation.swapbench.systems import (
    CODEC,
    COPY_MELODY,
    COPY_TIMBRE,
    SWAPS,
    UNTAUGHT,
    Swap,
    can_learn,
    check_names,
    learnt_row,
)
from msdae.evaluation.tables import Table, mean_cell
from msdae.inference.pipeline import Pipeline
from msdae.inference.sources import read_sound
from msdae.progress import Progress, silent

FOLDER, SCORES, AUDIO = "recordings", "scores.json", "audio"  # subfolder of results, and its content
MELODY, PITCH, TIMBRE = "melody F1", "pitch of single lines", "timbre (MFCC cosine)"
ROLES = ("timbre", "melody")  # folders of the sources
RESERVED = (COPY_MELODY, COPY_TIMBRE, CODEC, *UNTAUGHT)  # rows whose names no system may have


@dataclass(frozen=True)
class Pair:
    """A timbre source and a melody source of the same name; the melody source may be a score.

    key: a hash of both files.
    """

    name: str
    timbre: Path
    melody: Path
    key: str

    def sounds(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Timbre source and melody source, (samples,) each at 44.1 kHz."""
        return audio.read(self.timbre), read_sound(self.melody)


Sounds = tuple[
    torch.Tensor, torch.Tensor
]  # the outputs that are compared with the timbre source and with the melody source


@dataclass(frozen=True)
class Row:
    """A row of the table.

    make: function that makes the output of a pair. key: identifies all that the output depends on beside the
        pair and this code, such as a model; if it is not "", the output is written as a file.
    """

    make: Callable[[Pair], Sounds]
    key: str = ""


def pairs(folder: str | Path) -> list[Pair]:
    """The pairs of `timbre/NAME.wav` and `melody/NAME.wav` (or `melody/NAME.mid`) in a folder, by name.

    Raises:
        UserError: one of both folders is missing or has no recordings, or a recording has no counterpart.
    """
    sources = {role: _by_name(Path(folder) / role, played=role == "melody") for role in ROLES}
    for role, other in (ROLES, ROLES[::-1]):
        if alone := sorted(sources[role].keys() - sources[other].keys()):
            path = printable(sources[role][alone[0]])
            raise UserError(f"{path}: no recording of its name in {other}/; add one, or take it away")
    both = [(name, *(sources[role][name] for role in ROLES)) for name in sorted(sources["timbre"])]
    return [Pair(*fields, _hash(*fields[1:])) for fields in both]


def evaluate(
    group: Sequence[Pair],
    pipelines: Mapping[str, Pipeline],
    codec: Codec,
    out: str | Path,
    outputs: Mapping[str, str | Path] | None = None,
    learn: float | None = None,
    command: str = "",
    progress: Progress = silent,
) -> Table:
    """Score copies, codec, models and other systems on pairs of recordings.

    Scores that the folder `out` has already are not computed again.

    codec: that of the models. outputs: {name of a system: folder with its output NAME.wav for each pair}.
    learn: seconds for which each timbre source is learnt, for one more row per model; None for no such row.

    Raises:
        UserError: a name is taken, an output is missing or cannot be read, a melody source has no notes, or a
            model cannot render a pair.
    """
    check_names([*pipelines, *(outputs or {})], RESERVED)
    folder, device = Path(out), next(codec.parameters()).device
    files.make_folder(folder)
    rows = _rows(group, pipelines, codec, device, outputs or {}, learn)
    known, version = _known(folder / SCORES), source_hash.fingerprint([__name__], with_imports=True)
    version += "" if f0.available() else " without pitch"
    notes = {pair: transcribe_batch([read_sound(pair.melody)], SAMPLE_RATE)[0] for pair in group}
    if without_notes := [pair.melody for pair, heard in notes.items() if not len(heard)]:
        raise UserError(
            f"{printable(without_notes[0])}: no notes are heard in it, to compare with; leave it out"
        )
    scores: dict[str, list[dict[str, float]]] = {name: [] for name in rows}
    with progress(total=len(rows) * len(group), desc="evaluating", unit="output") as bar:
        for pair in group:
            sources = pair.sounds()
            for name, row in rows.items():
                key = f"{pair.key} {name} {row.key} {version}"
                if key not in known:
                    sounds = row.make(pair)
                    known[key] = _score(sources, notes[pair], sounds)
                    if row.key:
                        files.make_folder(folder / AUDIO / pair.name)
                        audio.write(folder / AUDIO / pair.name / f"{name}.wav", sounds[1])
                    with files.atomic(folder / SCORES) as temporary:
                        temporary.write_text(json.dumps(known, indent=1) + "\n")
                scores[name].append(known[key])
                bar.update(1)
    return _table(scores, [pair.name for pair in group], learn if pipelines else None, command)


def _rows(
    group: Sequence[Pair],
    pipelines: Mapping[str, Pipeline],
    codec: Codec,
    device: torch.device,
    outputs: Mapping[str, str | Path],
    learn: float | None,
) -> dict[str, Row]:
    rows = {
        COPY_MELODY: Row(lambda pair: (pair.sounds()[1],) * 2),
        COPY_TIMBRE: Row(lambda pair: (pair.sounds()[0],) * 2),
        CODEC: Row(
            lambda pair: tuple(_coded(sound, codec, device) for sound in pair.sounds()), codec.identity
        ),
    }
    rows |= {row: Row(partial(_untaught, swap), "1") for row, swap in UNTAUGHT.items()}
    for name, pipeline in pipelines.items():
        key = f"{identity(pipeline)} {pipeline.codec.identity} {json.dumps(asdict(pipeline.sampling))}"
        rows[f"{name}, reconstruction"] = Row(partial(_reconstructed, pipeline), key)
        levels = set(range(1, pipeline.model.stage + 1))
        for swap in (swap for swap in SWAPS if set(swap) < levels):
            label = f"{name} {{{','.join(map(str, swap))}}}"
            rows[label] = Row(partial(_swapped, pipeline, swap), key)
        if learn is not None and can_learn(pipeline):
            rows[learnt_row(name, learn)] = Row(partial(_learnt, pipeline, learn), key)
    for name, place in outputs.items():
        paths = _by_name(Path(place))
        if missing := [pair.name for pair in group if pair.name not in paths]:
            raise UserError(f"{printable(place)}: has no {missing[0]}.wav; give the output of each pair")
        rows[name] = Row(partial(_given, paths), _hash(*(paths[pair.name] for pair in group)))
    return rows


# -- outputs of a pair


def _coded(sound: torch.Tensor, codec: Codec, device: torch.device) -> torch.Tensor:
    waveform = resampled(sound, SAMPLE_RATE, codec.sample_rate)
    length = max(codec.frames(len(waveform)), codec.clip_frames) * codec.hop
    whole = F.pad(waveform, (0, length - len(waveform)))[None].to(device)
    with torch.no_grad():
        decoded = codec.decode(codec.encode(whole))[0].cpu()
    return resampled(decoded[: len(waveform)], codec.sample_rate, SAMPLE_RATE)


def _reconstructed(pipeline: Pipeline, pair: Pair) -> Sounds:
    timbre, melody = (_played(pipeline, pipeline.reconstruct(path)) for path in (pair.timbre, pair.melody))
    return timbre, melody


def _swapped(pipeline: Pipeline, levels: Sequence[int], pair: Pair) -> Sounds:
    return (_played(pipeline, pipeline.swap(pair.timbre, pair.melody, levels)),) * 2


def _learnt(pipeline: Pipeline, seconds: float, pair: Pair) -> Sounds:
    sound = pipeline.learn(pair.timbre, seconds)
    return (_played(pipeline, pipeline.swap(sound, pair.melody)),) * 2


def _untaught(swap: Swap, pair: Pair) -> Sounds:
    return (swap(*pair.sounds()),) * 2


def _given(paths: Mapping[str, Path], pair: Pair) -> Sounds:
    return (audio.read(paths[pair.name]),) * 2


def _played(pipeline: Pipeline, waveform: torch.Tensor) -> torch.Tensor:
    return resampled(waveform, pipeline.codec.sample_rate, SAMPLE_RATE)


# -- scores


def _known(path: Path) -> dict[str, dict[str, float]]:
    """The scores in a file, {key of pair and row: scores}; none if there is no file."""
    if not path.exists():
        return {}
    scores = files.read_json(path, fix="delete it")
    with files.reading(path, "delete it"):
        return {key: {name: float(value) for name, value in values.items()} for key, values in scores.items()}


def _score(sources: Sounds, heard: np.ndarray, output: Sounds) -> dict[str, float]:
    """heard: the notes of the melody source. output: beside the timbre source and the melody source."""
    timbre, melody = sources
    notes = transcribe_batch([output[1]], SAMPLE_RATE)[0]
    scores = {MELODY: note_f1(heard, notes), TIMBRE: mfcc.similarity(output[0], timbre, SAMPLE_RATE)}
    pitch = f0.shared_pitch(melody, output[1], SAMPLE_RATE)
    return scores if pitch is None else {**scores, PITCH: pitch}


def _table(
    scores: Mapping[str, Sequence[Mapping[str, float]]],
    names: Sequence[str],
    learn: float | None,
    command: str,
) -> Table:
    every = range(len(names))
    columns = {MELODY: every, PITCH: [n for n in every if PITCH in scores[COPY_MELODY][n]], TIMBRE: every}
    columns = {metric: numbers for metric, numbers in columns.items() if len(numbers)}
    rows = []
    for name, values in scores.items():
        cells = (
            mean_cell([values[n][metric] for n in numbers], [names[n] for n in numbers])
            for metric, numbers in columns.items()
        )
        rows.append((name, *cells))
    note = (
        f"Pairs: {len(names)}. Melody: notes that Basic Pitch hears in the output and in the melody source, "
        "onsets within 50 ms. Timbre: mean MFCC 2 to 13 of the output and of the timbre source. Codec and "
        "reconstruction are of the melody source in the first columns and of the timbre source in the last: "
        "the ceilings. Means with bootstrap 95 % intervals over pairs."
    )
    if PITCH in columns:
        note += (
            " Pitch: share of the time with a pitch of the melody source, by SwiftF0, in which the output is "
            "within 50 cents; it says something of single lines only."
        )
    if learn is not None:
        note += f" Learnt: from the timbre source, {learn:g} s each."
    header = ("output", *(f"{name} ↑" for name in columns))
    return Table("Pairs of recordings", header, tuple(rows), note, command)


def _by_name(folder: Path, played: bool = False) -> dict[str, Path]:
    """As `by_name`, but raises a UserError for a missing folder, too."""
    if not folder.is_dir():
        raise UserError(f"{printable(folder)}: no such folder; make it, with NAME.wav for each pair")
    return by_name(folder, played)


def _hash(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with files.reading(path), open(path, "rb") as file:
            digest.update(hashlib.sha256(file.read()).digest())
    return digest.hexdigest()[:32]
