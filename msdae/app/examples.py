"""Example sounds and melodies, rendered at the first start, and the map of sounds."""

import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from msdae import audio, files
from msdae.analysis import umap
from msdae.app.clips import Clip, opened, rolled
from msdae.errors import UserError
from msdae.inference.pipeline import Pipeline
from msdae.symbolic.notes import Note
from msdae.symbolic.tunes import BEAT, FRERE_JACQUES, GREENSLEEVES, ODE_TO_JOY, TWINKLE, notes_of
from msdae.synthesis import procedural, soundfont
from msdae.synthesis.procedural import Patch
from msdae.synthesis.soundfont import SAMPLE_RATE

SOUNDS = {  # name: General MIDI program
    "Grand piano": 0, "Electric piano": 4, "Harpsichord": 6, "Celesta": 8, "Vibraphone": 11, "Marimba": 12,
    "Organ": 16, "Accordion": 21, "Nylon guitar": 24, "Steel guitar": 25, "Overdriven guitar": 29,
    "Synth bass": 38, "Violin": 40, "Cello": 42, "Harp": 46, "Strings": 48, "Choir": 52, "Trumpet": 56,
    "Trombone": 57, "French horn": 60, "Soprano sax": 64, "Oboe": 68, "Clarinet": 71, "Flute": 73,
    "Ocarina": 79, "Saw lead": 81, "Sitar": 104, "Koto": 107, "Kalimba": 108, "Steel drums": 114,
}  # fmt: skip
MELODIES = {  # name: (tune, player)
    "Ode to Joy, flute": (ODE_TO_JOY, 73),
    "Frère Jacques, piano": (FRERE_JACQUES, 0),
    "Greensleeves, violin": (GREENSLEEVES, 40),
    "Twinkle, twinkle, clarinet": (TWINKLE, 71),
}
FORMULAS = 12  # number of formulas in place of `SOUNDS` if no SoundFont can be played
LEVEL = 0.5  # peak of the examples
NEAREST = 3  # sounds of the map between which another one is placed
ABOUT = "about.json"


@dataclass(frozen=True)
class Map:
    """A map of level-1 codes. UMAP places its own codes; any other code lies between the nearest of them.

    codes: (sounds, channels). places: (sounds, 2), across and down, 0 to 1.
    """

    codes: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray) -> "Map":
        """The map of `codes`, (sounds, channels); without umap-learn, by their two principal components."""
        try:
            places = umap.project(codes)
        except ImportError:
            centred = codes - codes.mean(axis=0)
            places = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
        places -= places.min(axis=0)
        return cls(codes, places / np.maximum(places.max(axis=0), 1e-9))

    def place(self, code: Any) -> tuple[float, float]:
        """The place of a code (channels,) on the map: across and down, 0 to 1."""
        distances = np.linalg.norm(self.codes - np.asarray(code), axis=1)
        nearest = distances.argsort()[:NEAREST]
        weights = 1 / np.maximum(distances[nearest], 1e-9) ** 2
        across, down = weights @ self.places[nearest] / weights.sum()
        return round(float(across), 4), round(float(down), 4)


@dataclass(frozen=True)
class Examples:
    """The clips that every visitor has, by id, and the map of their sounds."""

    sounds: dict[str, Clip]
    melodies: dict[str, Clip]
    map: Map

    def find(self, key: str) -> Clip | None:
        """The clip with that id; None if there is none."""
        return self.sounds.get(key) or self.melodies.get(key)


def load(pipeline: Pipeline, cache: Path, progress: Any) -> Examples:
    """The examples, from the folder `cache` or rendered; the codes of `pipeline` place them on the map.

    Raises:
        UserError: the cache cannot be written to.
    """
    font = _font()
    key = hashlib.sha256(repr((SOUNDS, MELODIES, font, 1)).encode()).hexdigest()[:12]
    folder = cache / f"examples-{key}"
    if not (folder / ABOUT).is_file():
        files.make_folder(folder.parent)
        with files.atomic_folder(folder) as temporary:
            _render(temporary, font, progress)
    names = files.read_json(folder / ABOUT, fix="delete its folder")
    sounds = {name: opened(folder / file, name) for name, file in names["sounds"].items()}
    codes = np.stack([level_1(pipeline, clip.path) for clip in progress(sounds.values(), total=len(sounds))])
    chart = _map(codes, cache)
    for clip, code in zip(sounds.values(), codes, strict=True):
        clip.place = chart.place(code)
    melodies = {}
    for name, file in names["melodies"].items():
        notes = rolled(notes_of(MELODIES[name][0]))
        melodies[name] = opened(folder / file, name, score=True, notes=notes)
    groups = ({clip.id: clip for clip in group.values()} for group in (sounds, melodies))
    return Examples(*groups, chart)


def level_1(pipeline: Pipeline, sound: Any) -> np.ndarray:
    """The level-1 code of a recording, averaged over time: (channels,)"""
    return pipeline.encode(sound, levels=[1]).mean()[1].numpy()


def _map(codes: np.ndarray, cache: Path) -> Map:
    """The map of `codes`, from the cache if it is there, as umap-learn takes seconds to import."""
    path = cache / f"map-{hashlib.sha256(codes.round(3).tobytes()).hexdigest()[:12]}.npy"
    if not path.is_file():
        with files.atomic(path) as temporary, temporary.open("wb") as file:
            np.save(file, Map.of(codes).places)
    with files.reading(path, "delete it"):
        return Map(codes, np.load(path, allow_pickle=False))


def _font() -> Path | None:
    """The default SoundFont; None if it cannot be played."""
    try:
        font = soundfont.default()
        soundfont.render([(0.0, 0.1, 60, 100)], font, 0, SAMPLE_RATE // 10)
    except UserError:
        return None
    return font


def _render(folder: Path, font: Path | None, progress: Any) -> None:
    """Write the examples and their index, played by formulas if there is no SoundFont."""
    sounds = SOUNDS if font is not None else {f"Formula {n}": n for n in range(1, 1 + FORMULAS)}
    tunes = [("sounds", name, FRERE_JACQUES, player) for name, player in sounds.items()]
    tunes += [("melodies", name, tune, player) for name, (tune, player) in MELODIES.items()]
    names: dict[str, dict[str, str]] = {"sounds": {}, "melodies": {}}
    for number, (kind, name, tune, player) in enumerate(progress(tunes, total=len(tunes))):
        file = f"{number}.flac"
        audio.write(folder / file, _played(notes_of(tune), player, font))
        names[kind][name] = file
    (folder / ABOUT).write_text(json.dumps(names), "utf-8")


def _played(notes: list[Note], player: int, font: Path | None) -> torch.Tensor:
    """Notes played by a program of the SoundFont or, without one, by a formula drawn with that seed."""
    samples = round((notes[-1].offset + BEAT) * SAMPLE_RATE)
    if font is None:
        patch = Patch.draw(random.Random(player))
        waveform = torch.from_numpy(procedural.render(notes, patch, samples)).float()
    else:
        waveform = soundfont.render(notes, font, player, samples)
    return LEVEL * waveform / waveform.abs().max().clamp_min(1e-6)
