"""Source files to encoded clips: one part of the work that `prepare` hands out."""

import functools
import json
import logging
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from msdae import codecs
from msdae.audio.mel import LogMel, MelConfig
from msdae.codecs.base import Codec
from msdae.codecs.check import check_decoding, require_reconstruction
from msdae.data.labels import NOTE
from msdae.data.sources import ClipLength, SourceFile, cut, is_silent, read_notes
from msdae.data.tally import Tally
from msdae.errors import UserError
from msdae.files import atomic, reading

logger = logging.getLogger(__name__)
SHORTEST = 0.03  # seconds of a note inside the clip, below which it belongs to the neighbouring clip
BATCH = 16
CHECKED = 8  # clips that the codec is checked with
PART_MEMBERS = (("labels", list), ("tally", dict))


@dataclass(frozen=True)
class Encoding:
    """What clips are encoded with.

    codec: its name or its file. mel: the finest mel, fitted to the codec before use. device: of torch.
    """

    codec: str
    mel: MelConfig = MelConfig()
    device: str = "cpu"


@dataclass(frozen=True)
class PartTask:
    """Files whose clips are encoded together.

    root: what the `path` labels are relative to. strict: stop at the first faulty file.
    """

    encoding: Encoding
    files: Sequence[SourceFile]
    root: Path
    strict: bool


@functools.lru_cache(maxsize=1)
def tools(encoding: Encoding) -> tuple[Codec, LogMel]:
    """The codec and the log-mel that fits it, loaded once in each process.

    Raises:
        UserError: no such codec, or no mel fits it.
    """
    codec = codecs.load(encoding.codec, device=encoding.device)
    return codec, LogMel(encoding.mel.fitted(codec.sample_rate, codec.hop)).to(encoding.device)


def encode_part(task: PartTask, path: Path) -> None:
    """Write to `path` (npz): latents, mels (float16), labels and tally (JSON) of all clips of the files.

    A file that turns out to be faulty is rejected as a whole.
    """
    tally = Tally(strict=task.strict)
    faulty: set[str] = set()
    names: list[str] = []
    arrays: list[tuple[np.ndarray, np.ndarray]] = []
    labels: list[dict[str, Any]] = []
    clips = _clips(task, tally, faulty)
    while batch := list(islice(clips, BATCH)):
        sources, records, waveforms = zip(*batch, strict=True)
        arrays.append(_encode(torch.stack(waveforms), task.encoding))
        names += sources
        labels += records
    sound = [index for index, name in enumerate(names) if name not in faulty]
    tally.accepted = len(sound)
    members = {}
    if sound:
        latents, mels = (np.concatenate(column) for column in zip(*arrays, strict=True))
        members = {"latents": latents[sound], "mels": mels[sound]}
    with atomic(path) as temporary:
        np.savez(
            temporary,
            labels=_json_array([labels[index] for index in sound]),
            tally=_json_array(tally.counts()),
            **members,
        )


@torch.no_grad()
def check_codec(task: PartTask) -> None:
    """Log a warning where training would refuse the codec, by the first clips of the files."""
    waveforms = [waveform for *_, waveform in islice(_clips(task, Tally(), set()), CHECKED)]
    if not waveforms:
        return
    codec, log_mel = tools(task.encoding)
    sound = torch.stack(waveforms).to(task.encoding.device)
    try:
        distance = check_decoding(codec, codec.encode(sound), log_mel(sound), log_mel.config)
        require_reconstruction(codec, distance)
    except UserError as error:
        logger.warning("warning: %s", error)


def is_whole(part: Path) -> bool:
    """Whether a part is there and complete; a full disk or an earlier version may leave it incomplete."""
    try:
        with reading(part), zipfile.ZipFile(part) as archive:
            whole = archive.testzip() is None
        return whole and all(isinstance(read_json(part, name), kind) for name, kind in PART_MEMBERS)
    except UserError:
        return False


def read_json(part: Path, member: str) -> Any:
    """`labels` or `tally` of a part; raises a UserError where it is damaged."""
    with reading(part, "delete it and start again"), np.load(part, allow_pickle=False) as arrays:
        return json.loads(arrays[member].tobytes())


def _clips(
    task: PartTask, tally: Tally, faulty: set[str]
) -> Iterator[tuple[str, dict[str, Any], torch.Tensor]]:
    """(file's name, labels, waveform (samples,)) of each clip that has sound and, where known, notes."""
    clip = ClipLength.of(tools(task.encoding)[0])
    for source in task.files:
        try:
            for index, waveform in _cut(source, clip, tally):
                labels = _labels(source, index, task.root, clip.seconds)
                tally.total += 1
                if is_silent(waveform):
                    tally.leave_out("silent clip")
                elif labels.get("notes") == []:
                    tally.leave_out("clip without a note")
                else:
                    yield source.name, labels, waveform
        except UserError as error:
            faulty.add(source.name)
            tally.reject(source.path, error)


def _cut(source: SourceFile, clip: ClipLength, tally: Tally) -> Iterator[tuple[int, torch.Tensor]]:
    """Number and waveform of each clip of the source; the rest of a file behind its last one is left out."""
    last, is_note = source.first + source.clips, source.labels.get("kind") == NOTE
    for index, waveform in enumerate(cut(source.path, clip)):
        if len(waveform) == clip.samples:
            if source.first <= index < last:
                yield index, waveform
        elif index == last and len(waveform) >= SHORTEST * clip.sample_rate and not is_note:
            tally.leave_out("rest of a file, shorter than a clip")


def _labels(source: SourceFile, index: int, root: Path, seconds: float) -> dict[str, Any]:
    """The labels of clip `index` of the source; `path` is relative to `root`. seconds: length of a clip."""
    start = index * seconds
    several = source.clips > 1 or source.first > 0
    labels = {
        **source.labels,
        "name": f"{source.name}_{index:03d}" if several else source.name,
        "path": source.path.relative_to(root).as_posix(),
        "start": start,
    }
    notes = _notes(source)
    if notes is not None:
        labels["notes"] = _within_clip(notes, start, seconds)
    return labels


@functools.lru_cache(maxsize=1)
def _midi_notes(path: Path) -> list[list]:
    return read_notes(path)


def _notes(source: SourceFile) -> list[list] | None:
    return source.labels.get("notes") if source.midi is None else _midi_notes(source.midi)


def _within_clip(notes: Sequence[Sequence], start: float, seconds: float) -> list[list]:
    """The notes that sound in the clip, relative to its start and cut at its bounds."""
    inside = []
    for onset, offset, pitch, velocity in notes:
        first, last = max(0.0, onset - start), min(seconds, offset - start)
        if last - first >= SHORTEST:
            inside.append([round(first, 4), round(last, 4), pitch, velocity])
    return inside


@torch.no_grad()
def _encode(waveforms: torch.Tensor, encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
    """(batch, samples) -> latents (batch, channels, frames), mels (batch, bands, mel frames); float16."""
    codec, log_mel = tools(encoding)
    waveforms = waveforms.to(encoding.device)
    latents, mels = codec.encode(waveforms), log_mel(waveforms)
    return latents.half().cpu().numpy(), mels.half().cpu().numpy()


def _json_array(value: Any) -> np.ndarray:
    return np.frombuffer(json.dumps(value).encode(), np.uint8)
