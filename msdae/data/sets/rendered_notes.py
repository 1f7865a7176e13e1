"""Single notes by SoundFont, in NSynth's own layout: `nsynth-SPLIT/{examples.json, audio/NAME.wav}`."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from msdae import audio
from msdae.audio.resample import resample
from msdae.checkpoint import atomic
from msdae.data.sets.qualities import QUALITIES, qualities
from msdae.errors import UserError
from msdae.symbolic.instruments import FAMILIES, SOURCES, VELOCITIES, Voice
from msdae.synthesis import soundfont
from msdae.synthesis.soundfont import SILENCE

SAMPLE_RATE = 16000  # of the files, as NSynth's
SECONDS = 4.0
HELD = 3.0  # seconds until the note is released
LEVEL = 0.7  # peak of an instrument's note at velocity 127 in the middle of its range


@dataclass(frozen=True)
class SynthNote:
    voice: Voice
    pitch: int
    velocity: int
    index: int

    @property
    def name(self) -> str:
        return f"{self.voice.name}-{self.pitch:03d}-{self.velocity:03d}"


def plan(voices: Sequence[Voice], sizes: dict[str, int], seed: int) -> dict[str, list[SynthNote]]:
    """Choose `sizes[split]` notes for each split, evenly over the voices; no note is in two splits.

    Raises:
        UserError: the voices have too few notes.
    """
    rng = random.Random(f"notes/{seed}")
    decks = []
    for voice in rng.sample(list(voices), len(voices)):
        low, high = voice.instrument.low, voice.instrument.high
        deck = [(voice, pitch, velocity) for pitch in range(low, high + 1) for velocity in VELOCITIES]
        decks.append(rng.sample(deck, len(deck)))
    dealt = [deck[turn] for turn in range(max(map(len, decks))) for deck in decks if turn < len(deck)]
    wanted = sum(sizes.values())
    if wanted > len(dealt):
        raise UserError(
            f"--clips: {wanted} different notes are asked for, the instruments have {len(dealt)}; "
            "name further SoundFonts with --soundfont, or ask for fewer clips"
        )
    notes = (SynthNote(*note, index) for index, note in enumerate(dealt))
    return {split: [next(notes) for _ in range(size)] for split, size in sizes.items()}


def render_notes(task: tuple[Path, Sequence[SynthNote]], part: Path) -> None:
    """Write `audio/NAME.wav` under the task's folder for each note, then their labels to `part`."""
    folder, notes = task
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    labels = {}
    for note in notes:
        waveform = _waveform(note)
        if waveform is None:
            continue  # the SoundFont has no sample for this pitch
        audio.write(folder / "audio" / f"{note.name}.wav", waveform, SAMPLE_RATE, subtype="PCM_16")
        labels[note.name] = _labels(note, waveform)
    with atomic(part) as temporary:
        temporary.write_text(json.dumps(labels))


def join_labels(folder: Path, parts: Sequence[Path]) -> None:
    """Write the folder's `examples.json` from the labels in `parts`."""
    labels: dict[str, dict] = {}
    for part in parts:
        labels.update(json.loads(part.read_text()))
    with atomic(folder / "examples.json") as temporary:
        temporary.write_text(json.dumps(labels, indent=1))


def _waveform(note: SynthNote) -> torch.Tensor | None:
    """(samples,) at 16 kHz, 4 s, levelled per instrument; None where it stays silent."""
    kind, font = note.voice.instrument, note.voice.soundfont
    played = (0.0, HELD, note.pitch, note.velocity)
    waveform = soundfont.render([played], font, kind.program, round(SECONDS * soundfont.SAMPLE_RATE))
    peak = float(waveform.abs().max())
    if peak < SILENCE:
        return None
    level = soundfont.level(font, kind.program, (kind.low + kind.high) // 2)
    gain = min(LEVEL / max(level, SILENCE), 0.99 / peak)
    resampled = torch.cat(list(resample([gain * waveform], soundfont.SAMPLE_RATE, SAMPLE_RATE)))
    return resampled[: round(SECONDS * SAMPLE_RATE)]


def _labels(note: SynthNote, waveform: torch.Tensor) -> dict:
    """The keys of NSynth's `examples.json`."""
    kind = note.voice.instrument
    present = qualities(waveform, SAMPLE_RATE, note.pitch, HELD, kind.name)
    return {
        "note": note.index,
        "note_str": note.name,
        "instrument": note.voice.index,
        "instrument_str": note.voice.name,
        "pitch": note.pitch,
        "velocity": note.velocity,
        "sample_rate": SAMPLE_RATE,
        "qualities": present,
        "qualities_str": [name for name, there in zip(QUALITIES, present, strict=True) if there],
        "instrument_family": FAMILIES.index(kind.family),
        "instrument_family_str": kind.family,
        "instrument_source": SOURCES.index(kind.source),
        "instrument_source_str": kind.source,
    }
