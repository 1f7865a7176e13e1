"""Single notes by SoundFont. On disk: `SPLIT/Notes00000/{NAME.flac, notes.json}`, 100 notes a folder."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from msdae import audio
from msdae.data import parts
from msdae.data.labels import NOTE
from msdae.data.rendering import RenderConfig, scan_splits
from msdae.data.sets import DATASETS, DataSet
from msdae.data.sources import SPLITS, ClipLength, SourceFile
from msdae.data.tally import Tally
from msdae.errors import UserError
from msdae.files import atomic_folder
from msdae.progress import Progress, silent
from msdae.symbolic import instruments
from msdae.symbolic.instruments import VELOCITIES, Voice, reserved
from msdae.symbolic.notes import Note
from msdae.synthesis import soundfont
from msdae.synthesis.sound import voice_name
from msdae.synthesis.soundfont import SILENCE

NOTES_PER_PART = 100
LABELS = "notes.json"
LEVEL = 0.7  # peak of an instrument's note at velocity 127 in the middle of its range


@dataclass(frozen=True)
class SingleNote:
    """One note of one voice, held for the length of a clip."""

    voice: Voice
    pitch: int
    velocity: int

    @property
    def name(self) -> str:
        return f"{self.voice.name}-{self.pitch:03d}-{self.velocity:03d}"


@dataclass(frozen=True)
class NotesTask:
    """The notes of one folder, and the length of the files."""

    notes: tuple[SingleNote, ...]
    clip: ClipLength


def plan(voices: Sequence[Voice], sizes: Mapping[str, int], seed: int) -> dict[str, list[SingleNote]]:
    """`sizes[split]` notes for each split, evenly over the voices; no note is in two splits.

    Pitches that are reserved for SwapBench are left out (`instruments.reserved`).

    Raises:
        UserError: the voices have too few notes.
    """
    rng = random.Random(f"notes/{seed}")
    decks = []
    for voice in rng.sample(list(voices), len(voices)):
        kind = voice.instrument
        pitches = [p for p in range(kind.low, kind.high + 1) if not reserved(kind.program, p)]
        deck = [SingleNote(voice, pitch, velocity) for pitch in pitches for velocity in VELOCITIES]
        decks.append(rng.sample(deck, len(deck)))
    turns = [deck[turn] for turn in range(max(map(len, decks))) for deck in decks if turn < len(deck)]
    total = sum(sizes.values())
    if total > len(turns):
        raise UserError(
            f"--clips: {total} different notes are asked for, the instruments have {len(turns)}; "
            "name further SoundFonts with --soundfont, or ask for fewer clips"
        )
    notes = iter(turns)
    return {split: [next(notes) for _ in range(size)] for split, size in sizes.items()}


def work(config: RenderConfig, sizes: Mapping[str, int], folder: Path, clip: ClipLength) -> list[parts.Part]:
    """What has to be done for `sizes[split]` notes of each split; a part is a folder of notes."""
    fonts, unseen_fonts = (tuple(dict.fromkeys(f)) for f in (config.fonts(), config.unseen_fonts()))
    # each once: no note is in two splits
    seen, unseen = map(soundfont.able, instruments.voices(fonts, unseen_fonts))
    seen_sizes = {split: size for split, size in sizes.items() if split != "unseen"}
    notes = plan(seen, seen_sizes, config.seed)
    if "unseen" in sizes:
        notes |= plan(unseen, {"unseen": sizes["unseen"]}, config.seed)
    return [part for split in sizes for part in _split_work(folder / split, notes[split], clip)]


def scan(
    root: Path, tally: Tally, clip: ClipLength = ClipLength(), progress: Progress = silent
) -> dict[str, list[SourceFile]]:
    """The notes of each split that is there."""
    splits = {split: split for split in SPLITS}
    return scan_splits(root, splits, "Notes*", LABELS, tally, partial(_source, clip))


@DATASETS.register("notes")
class Notes(DataSet):
    """Single notes, rendered."""

    holds, splits, config, version = "train/Notes*", SPLITS, RenderConfig, 2
    scan = staticmethod(scan)

    @staticmethod
    def work(config: RenderConfig, folder: Path, clip: ClipLength) -> list[parts.Part]:
        return work(config, {split: config.size(split) for split in SPLITS}, folder, clip)


def render_notes(task: NotesTask, folder: Path) -> None:
    """Write `NAME.flac` for each note and their labels, complete or not at all."""
    with atomic_folder(folder) as temporary:
        labels = {}
        for note in task.notes:
            waveform = _play(note, task.clip)
            if waveform is None:
                continue  # the SoundFont has no sample for this pitch
            audio.write(temporary / f"{note.name}.flac", waveform, subtype="PCM_16")
            labels[note.name] = _labels(note)
        (temporary / LABELS).write_text(json.dumps(labels))


def _split_work(folder: Path, notes: Sequence[SingleNote], clip: ClipLength) -> list[parts.Part]:
    groups = [notes[start : start + NOTES_PER_PART] for start in range(0, len(notes), NOTES_PER_PART)]
    return [
        parts.Part(render_notes, NotesTask(tuple(group), clip), folder / f"Notes{index:05d}", len(group))
        for index, group in enumerate(groups)
    ]


def _play(note: SingleNote, clip: ClipLength) -> torch.Tensor | None:
    """(samples,), one clip at 44.1 kHz, levelled per instrument; None where it stays silent."""
    kind, font = note.voice.instrument, note.voice.soundfont
    held = Note(0.0, clip.seconds, note.pitch, note.velocity)
    waveform = soundfont.render([held], font, kind.program, clip.at(soundfont.SAMPLE_RATE))
    peak = float(waveform.abs().max())
    if peak < SILENCE:
        return None
    level = soundfont.level(font, kind.program, (kind.low + kind.high) // 2)
    return waveform * min(LEVEL / max(level, SILENCE), 0.99 / peak)


def _labels(note: SingleNote) -> dict:
    kind = note.voice.instrument
    return {
        "instrument": kind.name,
        "program": kind.program,
        "family": kind.family,
        "source": kind.source,
        "sound": voice_name(note.voice),
        "pitch": note.pitch,
        "velocity": note.velocity,
    }


def _source(clip: ClipLength, split: str, folder: Path, name: str, labels: dict[str, Any]) -> SourceFile:
    pitch, velocity = labels["pitch"], labels["velocity"]
    common = {"dataset": "notes", "kind": NOTE, "split": split, "piece": name, "stem": name}
    played = {"notes": [[0.0, round(clip.seconds, 4), pitch, velocity]]}
    return SourceFile(name, folder / f"{name}.flac", 1, {**common, **labels, **played})
