"""Source files to encoded clips: one part of the work that `prepare` hands out."""

import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from msdae import audio, codecs
from msdae.audio.mel import LogMel, MelConfig
from msdae.checkpoint import atomic
from msdae.codecs.base import Codec
from msdae.data.clips import CLIP_SAMPLES, CLIP_SECONDS
from msdae.data.report import Report
from msdae.data.sets import slakh
from msdae.data.sources import SourceFile
from msdae.errors import UserError

SILENCE = 1e-3  # peak below which a clip is left out (-60 dBFS)
SHORTEST = 0.03  # seconds of a note inside the clip, below which it belongs to the neighbouring clip
BATCH = 16


@dataclass(frozen=True)
class Encoding:
    """What clips are encoded with; a codec's name or path, the finest mel, and a torch device."""

    codec: str
    mel: MelConfig = MelConfig()
    device: str = "cpu"


@dataclass(frozen=True)
class PartTask:
    encoding: Encoding
    files: Sequence[SourceFile]
    root: Path  # what the `path` labels are relative to
    strict: bool


@functools.lru_cache(maxsize=1)
def tools(encoding: Encoding) -> tuple[Codec, LogMel]:
    """The codec and the log-mel, loaded once a process.

    Raises:
        UserError: no such codec, or its sample rate is not that of the data.
    """
    codec = codecs.load(encoding.codec, device=encoding.device)
    for what, rate in (("codec", codec.sample_rate), ("mel", encoding.mel.sample_rate)):
        if rate != audio.SAMPLE_RATE:
            raise UserError(f"{what}: works at {rate} Hz, clips are at {audio.SAMPLE_RATE} Hz")
    return codec, LogMel(encoding.mel).to(encoding.device)


def encode_part(task: PartTask, path: Path) -> None:
    """Write to `path` (npz): latents, mels (float16), labels and report (JSON) of all clips of the files.

    A file that turns out to be faulty is rejected as a whole.
    """
    report = Report(strict=task.strict)
    faulty: set[str] = set()
    names: list[str] = []
    encoded: list[tuple[np.ndarray, np.ndarray]] = []
    labels: list[dict[str, Any]] = []
    clips = _clips(task, report, faulty)
    while batch := list(islice(clips, BATCH)):
        sources, records, waveforms = zip(*batch, strict=True)
        encoded.append(_encode(torch.stack(waveforms), task.encoding))
        names += sources
        labels += records
    kept = [index for index, name in enumerate(names) if name not in faulty]
    report.accepted = len(kept)
    arrays = {}
    if kept:
        latents, mels = (np.concatenate(arrays) for arrays in zip(*encoded, strict=True))
        arrays = {"latents": latents[kept], "mels": mels[kept]}
    with atomic(path) as temporary:
        np.savez(
            temporary,
            labels=_json_array([labels[index] for index in kept]),
            report=_json_array(report.counts()),
            **arrays,
        )


def read_json(part: Path, member: str) -> Any:
    """`labels` or `report` of a part."""
    with np.load(part, allow_pickle=False) as arrays:
        return json.loads(arrays[member].tobytes())


def _clips(
    task: PartTask, report: Report, faulty: set[str]
) -> Iterator[tuple[str, dict[str, Any], torch.Tensor]]:
    """(file's name, labels, waveform (131072,)) of each clip that has sound and, where known, notes."""
    for source in task.files:
        try:
            for index, waveform in enumerate(_cut(source, report)):
                labels = _labels(source, index, task.root)
                report.found += 1
                if float(waveform.abs().max()) < SILENCE:
                    report.leave_out("silent clip")
                elif labels.get("notes") == []:
                    report.leave_out("clip without a note")
                else:
                    yield source.name, labels, waveform
        except UserError as error:
            faulty.add(source.name)
            report.reject(source.path, error)


def _cut(source: SourceFile, report: Report) -> Iterator[torch.Tensor]:
    """The first `source.clips` clips of the file; what follows the last whole one is left out."""
    buffer = torch.zeros(0)
    given = 0
    for block in audio.open_recording(source.path).blocks():
        buffer = torch.cat([buffer, block])
        while len(buffer) >= CLIP_SAMPLES and given < source.clips:
            yield buffer[:CLIP_SAMPLES]
            given += 1
            buffer = buffer[CLIP_SAMPLES:]
    if len(buffer) and source.labels.get("dataset") != "nsynth":
        report.leave_out("rest of a file, shorter than a clip")


def _labels(source: SourceFile, index: int, root: Path) -> dict[str, Any]:
    start = index * CLIP_SECONDS
    several = source.clips > 1
    labels = {
        **source.labels,
        "name": f"{source.name}_{index:03d}" if several else source.name,
        "path": source.path.relative_to(root).as_posix(),
        "start": start,
    }
    notes = _notes(source)
    if notes is not None:
        labels["notes"] = _within_clip(notes, start)
    return labels


@functools.lru_cache(maxsize=1)
def _midi_notes(path: Path) -> list[list]:
    return slakh.read_notes(path)


def _notes(source: SourceFile) -> list[list] | None:
    return source.labels.get("notes") if source.midi is None else _midi_notes(source.midi)


def _within_clip(notes: Sequence[Sequence], start: float) -> list[list]:
    """The notes that sound in the clip, relative to its start and cut at its bounds."""
    inside = []
    for onset, offset, pitch, velocity in notes:
        first, last = max(0.0, onset - start), min(CLIP_SECONDS, offset - start)
        if last - first >= SHORTEST:
            inside.append([round(first, 4), round(last, 4), pitch, velocity])
    return inside


@torch.no_grad()
def _encode(waveforms: torch.Tensor, encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
    """(batch, 131072) -> latents (batch, channels, 32) and mels (batch, bands, 512), float16."""
    codec, log_mel = tools(encoding)
    waveforms = waveforms.to(encoding.device)
    latents, mels = codec.encode(waveforms), log_mel(waveforms)
    return latents.half().cpu().numpy(), mels.half().cpu().numpy()


def _json_array(value: Any) -> np.ndarray:
    return np.frombuffer(json.dumps(value).encode(), np.uint8)
