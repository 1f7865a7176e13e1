"""Squares: two excerpts, each played by the same two sounds. Four clips, and each is the answer to a swap.

    excerpt X by sound P  |  excerpt X by sound Q
    excerpt Y by sound P  |  excerpt Y by sound Q

The clip "X by P" is what a swap should give of the timbre source "Y by P" and the melody source "X by Q".
On disk: `SPLIT/Square00000/{XP,XQ,YP,YQ}.flac` and `square.json`.
"""

import functools
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from msdae import audio
from msdae.checkpoint import atomic_folder
from msdae.data import parts
from msdae.data.clips import CLIP_SAMPLES, CLIP_SECONDS
from msdae.data.report import Report
from msdae.data.sets.rendered import FEWEST, HELD_OUT_SHARE, Settings, claim
from msdae.data.sources import SourceFile
from msdae.errors import UserError
from msdae.symbolic import corpus
from msdae.symbolic.arrange import excerpt, perform, without_unisons
from msdae.symbolic.instruments import POLYPHONIC, Voice
from msdae.symbolic.instruments import voices as voices_of
from msdae.symbolic.notes import Note, Part, ScoreNote
from msdae.synthesis import effects, procedural, soundfont
from msdae.synthesis.soundfont import SILENCE

VERSION = 3  # of the rendering: raise it when the same settings give other bytes
FOLDERS = {"train": "train", "validation": "valid", "test": "test"}
SHARED_RANGE = 12  # semitones that both sounds of a square reach, at least
PROCEDURAL = 0.25  # share of the sounds that come from formulas
PROCESSED = 0.3  # share of the SoundFont's sounds that go through effects
LAYERED = 0.1  # share of the SoundFont's sounds that are two of its voices at once
SINGLE_NOTE = 0.3  # share of the squares whose excerpts are one note each
TWO_LINES = 0.3  # share of the excerpts that have two parts, where the piece has
LEAST_NOTES = 4
PEAK = (0.25, 0.9)
ATTEMPTS = 200


@dataclass(frozen=True)
class Sound:
    """What plays: voices of SoundFonts at once, or a formula; through effects where `effects` is a seed.

    name: equal for all clips that are played by exactly this.
    """

    name: str
    voices: tuple[Voice, ...] = ()
    patch: procedural.Patch | None = None
    effects: str | None = None

    @property
    def low(self) -> int:
        return max((voice.instrument.low for voice in self.voices), default=36)

    @property
    def high(self) -> int:
        return min((voice.instrument.high for voice in self.voices), default=96)

    @property
    def polyphonic(self) -> bool:
        return all(voice.instrument.family in POLYPHONIC for voice in self.voices)

    def play(self, notes: Sequence[Note], samples: int = CLIP_SAMPLES) -> np.ndarray:
        """(samples,), float32, at 44.1 kHz; of no particular level."""
        if self.patch is not None:
            waveform = procedural.render(notes, self.patch, samples)
        else:
            layers = [
                soundfont.render(notes, voice.soundfont, voice.instrument.program, samples)
                for voice in self.voices
            ]
            waveform = torch.stack(layers).sum(dim=0).numpy()
        return waveform if self.effects is None else effects.process(waveform, notes, self.effects)

    @staticmethod
    def draw(voices: Sequence[Voice], rng: random.Random, name: str) -> "Sound":
        """A formula, or a family at random and one of its voices; dry voices are named after themselves."""
        if rng.random() < PROCEDURAL:
            return Sound(name, patch=procedural.Patch.draw(rng), effects=_maybe(name, rng))
        families = sorted({voice.instrument.family for voice in voices})
        family = rng.choice(families)
        chosen = [rng.choice([voice for voice in voices if voice.instrument.family == family])]
        if rng.random() < LAYERED:
            chosen.append(rng.choice(voices))
        processing = _maybe(name, rng)
        if processing is None and len(chosen) == 1:
            name = f"{Path(chosen[0].soundfont).stem}/{chosen[0].instrument.program}"
        return Sound(name, tuple(chosen), effects=processing)


@dataclass(frozen=True)
class Square:
    """Square `index` of a split; everything about it follows from these and the seed."""

    split: str
    index: int
    seed: int
    voices: tuple[Voice, ...]

    @property
    def name(self) -> str:
        return f"Square{self.index:05d}"


def render(settings: Settings, folder: Path, workers: int | None = None) -> None:
    """Render what is not there yet: `settings.clips` for training, a twentieth for each other split.

    Raises:
        UserError: the folder holds the rendering of other settings, or a SoundFont cannot be read.
    """
    fonts = settings.soundfonts or (str(soundfont.default()),)
    claim(folder, VERSION, settings, fonts, ())
    voices, _ = voices_of(fonts, ())
    everything = []
    for split in FOLDERS:
        clips = settings.clips if split == "train" else max(FEWEST, round(HELD_OUT_SHARE * settings.clips))
        squares = plan(split, clips, voices, settings.seed)
        (folder / split).mkdir(parents=True, exist_ok=True)
        everything += [
            parts.Part(render_square, square, folder / split / square.name, 4) for square in squares
        ]
    parts.run(everything, "render", "clip", workers)
    parts.wait_for([part.path for part in everything])


def plan(split: str, clips: int, voices: Sequence[Voice], seed: int) -> list[Square]:
    """As many squares as give `clips` clips."""
    return [Square(split, index, seed, tuple(voices)) for index in range(-(-clips // 4))]


def render_square(square: Square, folder: Path) -> None:
    """Write the square's folder, complete or not at all."""
    rng = random.Random(f"squares/{square.seed}/{square.split}/{square.index}")
    sounds, excerpts = _compose(square, rng)
    with atomic_folder(folder) as temporary:
        labels = {}
        for letter, (piece, notes) in zip("XY", excerpts, strict=True):
            for role, sound in zip("PQ", sounds, strict=True):
                waveform = torch.from_numpy(sound.play(notes)).nan_to_num()
                waveform = waveform * (rng.uniform(*PEAK) / max(float(waveform.abs().max()), SILENCE))
                audio.write(temporary / f"{letter}{role}.flac", waveform, subtype="PCM_16")
                program = sound.voices[0].instrument if sound.voices else None
                labels[letter + role] = {
                    "piece": piece,
                    "score": f"{square.name}/{letter}",
                    "sound": sound.name,
                    "instrument": program.name if program else "procedural",
                    **({"family": program.family, "program": program.program} if program else {}),
                    "notes": [[round(n[0], 4), round(n[1], 4), n[2], n[3]] for n in notes],
                }
        (temporary / "square.json").write_text(json.dumps(labels))


def scan(root: Path, report: Report) -> dict[str, list[SourceFile]]:
    """The clips of each split that is there."""
    return {
        split: _scan_split(root / folder, split, report)
        for folder, split in FOLDERS.items()
        if (root / folder).is_dir()
    }


def _scan_split(folder: Path, split: str, report: Report) -> list[SourceFile]:
    files = []
    for square in sorted(folder.glob("Square*")):
        for cell, labels in json.loads((square / "square.json").read_text()).items():
            report.found += 1
            name = f"{square.name}_{cell}"
            known = {"dataset": "squares", "split": split, "stem": f"{square.name}/{cell}", **labels}
            files.append(SourceFile(name, square / f"{cell}.flac", 1, known))
    report.accepted += len(files)
    return files


def _compose(square: Square, rng: random.Random) -> tuple[list[Sound], list[tuple[str, list[Note]]]]:
    pieces = _pieces(square.split)
    for attempt in range(ATTEMPTS):
        names = [f"{square.seed}/{square.split}{square.index}.{attempt}{role}" for role in "PQ"]
        sounds = [Sound.draw(square.voices, rng, name) for name in names]
        low, high = max(s.low for s in sounds), min(s.high for s in sounds)
        if high - low < SHARED_RANGE or sounds[0].name == sounds[1].name:
            continue
        if rng.random() < SINGLE_NOTE:
            pitches = rng.sample(range(low, high + 1), 2)
            return sounds, [(f"note {pitch}", _single(pitch, rng)) for pitch in pitches]
        polyphonic = all(sound.polyphonic for sound in sounds)
        excerpts = {}
        for piece in rng.sample(pieces, 6):
            notes = _notes(piece, low, high, polyphonic, rng)
            if notes:
                excerpts[piece] = notes
            if len(excerpts) == 2:
                return sounds, list(excerpts.items())
    raise UserError(f"{square.name}: no pieces of the corpus suit these sounds; use another --seed")


@functools.cache
def _parts(piece: str) -> list[Part]:
    return corpus.parts(piece)


@functools.cache
def _pieces(split: str) -> list[str]:
    return corpus.pieces(split)


def _single(pitch: int, rng: random.Random) -> list[Note]:
    return [(0.0, rng.uniform(0.8, CLIP_SECONDS), pitch, rng.randint(25, 127))]


def _notes(piece: str, low: int, high: int, polyphonic: bool, rng: random.Random) -> list[Note]:
    """An excerpt of one part of the piece, or of two, in the range; empty where nothing fits."""
    lines = excerpt(_parts(piece), CLIP_SECONDS, rng, LEAST_NOTES)
    if not lines:
        return []
    lines = rng.sample(lines, 2 if polyphonic and len(lines) > 1 and rng.random() < TWO_LINES else 1)
    notes = sorted(note for line in lines for note in line)
    bottom, top = min(note.pitch for note in notes), max(note.pitch for note in notes)
    shifts = range(low - bottom, high - top + 1)
    if not shifts:
        return []
    shift = rng.choice(shifts)
    moved = [ScoreNote(note.onset, note.duration, note.pitch + shift) for note in notes]
    return perform(without_unisons(moved), CLIP_SECONDS, rng)


def _maybe(name: str, rng: random.Random) -> str | None:
    return name if rng.random() < PROCESSED else None
