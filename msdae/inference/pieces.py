"""Recordings to pieces: the codes that priors are trained on."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from msdae.audio import open_recording
from msdae.data.pieces import Piece
from msdae.data.sources import ClipLength, SourceFile
from msdae.errors import UserError
from msdae.files import digest
from msdae.inference.pipeline import Pipeline
from msdae.models.priors.grid import Grid
from msdae.progress import Progress, silent

QUIET = 1e-3  # of the loudest sample (-60 dB), below which a recording's end is silence
PART = 16  # clips that are encoded at once
SILENT = "no recording with sound to learn from; give others with --data"
Describe = Callable[[Mapping[str, Any]], torch.Tensor]  # labels to vectors of captions, (captions, numbers)


def key(files: Mapping[str, Sequence[SourceFile]]) -> str:
    """A hash of recordings: their names, bytes, clips and labels."""
    facts = [
        [split, f.name, f.digest or digest(f.path), f.first, f.clips, f.labels, *_alone(f)]
        for split, members in files.items()
        for f in members
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _alone(file: SourceFile) -> list[str]:
    """What tells the first clip of a longer recording from a recording of one clip, for `key`."""
    return [] if file.whole or file.first or file.clips > 1 else ["first clip"]


def encoded(
    pipeline: Pipeline,
    files: Mapping[str, Sequence[SourceFile]],
    describe: Describe | None = None,
    progress: Progress = silent,
) -> dict[str, list[Piece]]:
    """The codes of recordings, {split: pieces}, without silent recordings and without silence at the ends.

    describe: turns the labels of a recording into vectors of captions; None: pieces have no captions.

    Raises:
        UserError: a recording cannot be read, or no recording of the split "train" has sound.
    """
    grid = Grid.of(pipeline.model)
    pieces = by_split(files, lambda file: _piece(pipeline, grid, file, describe), progress)
    if not pieces.get("train"):
        raise UserError(SILENT)
    return pieces


def by_split(
    files: Mapping[str, Sequence[SourceFile]],
    piece_of: Callable[[SourceFile], Piece | None],
    progress: Progress = silent,
) -> dict[str, list[Piece]]:
    """Make a piece of each recording: {split: pieces}; where `piece_of` returns None, there is none."""
    pieces: dict[str, list[Piece]] = {}
    with progress(total=sum(map(len, files.values())), desc="encode", unit="recording") as bar:
        for split, members in files.items():
            pieces[split] = []
            for file in members:
                if (piece := piece_of(file)) is not None:
                    pieces[split].append(piece)
                bar.update()
    return pieces


def _piece(pipeline: Pipeline, grid: Grid, file: SourceFile, describe: Describe | None) -> Piece | None:
    waveform = _heard(sound(file, ClipLength.of(pipeline.codec), pipeline.codec.sample_rate))
    if not len(waveform):
        return None
    frames = max(1, len(waveform) // pipeline.codec.hop // grid.step) * grid.step
    waveform = torch.nn.functional.pad(waveform, (0, max(0, frames * pipeline.codec.hop - len(waveform))))
    parts = waveform[: frames * pipeline.codec.hop].split(PART * pipeline.codec.clip_samples)
    codes = [_codes(pipeline, grid, part) for part in parts]
    timbres = {level: torch.cat([one[level] for one in codes]) for level in grid.pooled}
    melody = {level: torch.cat([one[level] for one in codes], dim=1) for level in grid.timed}
    texts = describe(file.labels) if describe else None
    labels = {name: value for name, value in file.labels.items() if name != "notes"}
    return Piece(file.name, timbres, melody, frames, labels, texts)


def sound(file: SourceFile, clip: ClipLength, sample_rate: int) -> torch.Tensor:
    """The clips of a file as one waveform (samples,), without the rest, which may be in another split."""
    first, last = _bounds(file, clip, sample_rate)
    parts, done = [], 0
    for block in open_recording(file.path, sample_rate).blocks():
        parts.append(block[max(0, first - done) : None if last is None else max(0, last - done)])
        done += len(block)
    return torch.cat(parts) if parts else torch.zeros(0)


def length(file: SourceFile, clip: ClipLength, sample_rate: int) -> int:
    """How many samples `sound` returns, by the recording's header."""
    first, last = _bounds(file, clip, sample_rate)
    samples = open_recording(file.path, sample_rate).samples
    return max(0, (samples if last is None else min(samples, last)) - first)


def _bounds(file: SourceFile, clip: ClipLength, sample_rate: int) -> tuple[int, int | None]:
    """The samples of a recording at which the clips of the file begin and end; None: with the recording."""
    first = file.first * clip.at(sample_rate)
    # a whole recording of one clip is not cut to that clip
    bounded = file.first or file.clips > 1 or not file.whole
    return first, first + file.clips * clip.at(sample_rate) if bounded else None


def _heard(waveform: torch.Tensor) -> torch.Tensor:
    """A waveform (samples,) without the silence at its end."""
    heard = (
        (waveform.abs() > QUIET * waveform.abs().max().clamp_min(QUIET)).nonzero() if len(waveform) else []
    )
    return waveform[: int(heard[-1]) + 1] if len(heard) else waveform[:0]


@torch.no_grad()
def _codes(pipeline: Pipeline, grid: Grid, waveform: torch.Tensor) -> dict[int, torch.Tensor]:
    """{level: codes} of a waveform (samples,), which lasts whole steps of the grid.

    Timed levels have (channels, code frames), pooled ones a code for each window, (windows, channels).
    """
    model, codec = pipeline.model, pipeline.codec
    waveform = waveform[None].to(pipeline.device)
    if not model.needs_mel:
        read, encode = codec.encode(waveform), lambda x, level: model.encode(x, None)[level - 1]
    else:
        read, encode = pipeline.log_mel(waveform), lambda x, level: model.encode_level(level - 1, x)
    frames = len(waveform[0]) // codec.hop
    size = read.shape[-1] // frames * min(pipeline.window, frames)  # mel or latent frames of a window
    windows = torch.cat(read.split(size, dim=-1)[: read.shape[-1] // size])
    codes = {level: encode(windows, level)[..., 0] for level in grid.pooled}
    return {k: code.cpu() for k, code in (codes | {k: encode(read, k)[0] for k in grid.timed}).items()}
