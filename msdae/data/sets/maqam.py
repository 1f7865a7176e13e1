"""Pieces in maqamat by plucked strings, with known answers.

On disk: `SPLIT/Piece00000/{piece.flac, piece.json}`. A piece has three sections of whole clips; in some the
middle one is in another maqam. Labels: `maqam` and `tonic` (MIDI pitch, any fraction) of the section,
`home` and `home_tonic` of the piece, `notes`, `room`, and what plays.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch

from msdae import audio
from msdae.config import require_ranges
from msdae.data import parts
from msdae.data.labels import MELODY
from msdae.data.rendering import RenderConfig, scan_splits
from msdae.data.sets import DATASETS, DataSet
from msdae.data.sources import SEEN_SPLITS, ClipLength, SourceFile
from msdae.data.tally import Tally
from msdae.errors import UserError
from msdae.files import atomic_folder
from msdae.limits import Range, Share
from msdae.progress import Progress, silent
from msdae.symbolic.maqam import MAQAMAT, Section, TaqsimConfig, Tone, taqsim
from msdae.synthesis import plucked
from msdae.synthesis.plucked import KINDS, ROOMS, PluckedString
from msdae.synthesis.soundfont import SAMPLE_RATE

LABELS, SOUND = "piece.json", "piece"
CLIPS_PER_PIECE = 10  # about
MOST = Range(1, 100, reason="five minutes")  # clips of a section


@dataclass(frozen=True)
class MaqamConfig(RenderConfig):
    """What the pieces are drawn from.

    clips: about so many for training; each other split has a twentieth of them.
    section_clips: clips of a section, from and to.
    drone: share of the pieces with a drone.
    dry: share of the pieces that are in no room.
    taqsim: what the lines are drawn from.
    peak: highest sample of a piece.
    """

    clips: Annotated[int, Range(1, 10**6)] = 3000
    section_clips: tuple[Annotated[int, MOST], ...] = (3, 4)
    drone: Share = 0.3
    dry: Share = 0.4
    taqsim: TaqsimConfig = field(default_factory=TaqsimConfig)
    peak: tuple[Annotated[float, Range(0.01, 1)], ...] = (0.4, 0.9)

    def __post_init__(self):
        super().__post_init__()
        require_ranges(self, "section_clips", "peak")
        if self.soundfonts or self.unseen_soundfonts:
            raise UserError("maqam: is played by physical models; leave out --soundfont")

    def record(self) -> dict[str, Any]:
        """The settings; no SoundFont plays."""
        return {key: value for key, value in asdict(self).items() if key not in PLAYED}


PLAYED = ("soundfonts", "weights", "unseen_soundfonts")  # settings of other sets


@dataclass(frozen=True)
class Piece:
    """Piece `index` of a split; everything about it follows from these."""

    split: str
    index: int
    config: MaqamConfig
    clip: ClipLength = ClipLength()

    @property
    def name(self) -> str:
        return f"Piece{self.index:05d}"


@dataclass(frozen=True)
class Rendering:
    """A piece as sound, with what is known of it.

    waveform: (samples,), float32, at 44.1 kHz.
    """

    waveform: np.ndarray
    sections: list[Section]
    string: PluckedString
    room: str
    drone: bool
    section_clips: int

    @property
    def tones(self) -> list[Tone]:
        """All tones, by onset."""
        return [tone for section in self.sections for tone in section.tones]

    @property
    def modulated(self) -> bool:
        """Whether the middle third is in another maqam."""
        return self.sections[1].maqam != self.sections[0].maqam


def render(piece: Piece) -> Rendering:
    """The piece; the same settings give the same samples."""
    config = piece.config
    rng = random.Random(f"maqam/{config.seed}/{piece.split}/{piece.index}")
    maqam, kind = sorted(MAQAMAT)[piece.index % len(MAQAMAT)], rng.choice(KINDS)
    clips = rng.randint(*config.section_clips)
    seconds = clips * piece.clip.seconds
    sections = taqsim(maqam, seconds, rng, config.taqsim)
    string, samples = PluckedString.draw(kind, rng), 3 * clips * piece.clip.at(SAMPLE_RATE)
    tones = [tone for section in sections for tone in section.tones]
    has_drone = rng.random() < config.drone
    if has_drone:
        tones += plucked.drone(sections[0].tonic, 3 * seconds, rng.uniform(1.5, 4.0))
    waveform = plucked.render(tones, string, samples, f"{config.seed}/{piece.split}/{piece.index}")
    room = "dry" if rng.random() < config.dry else rng.choice([name for name in ROOMS if name != "dry"])
    waveform = plucked.place(waveform, room, rng) * rng.uniform(*config.peak)
    return Rendering(waveform.astype(np.float32), sections, string, room, has_drone, clips)


def work(config: MaqamConfig, folder: Path, clip: ClipLength) -> list[parts.Part]:
    """See `DataSet.work`; a part is a piece."""
    pieces = [
        Piece(split, index, config, clip)
        for split in SEEN_SPLITS
        for index in range(-(-config.size(split) // CLIPS_PER_PIECE))
    ]
    return [
        parts.Part(write_piece, piece, folder / piece.split / piece.name, CLIPS_PER_PIECE) for piece in pieces
    ]


def write_piece(piece: Piece, folder: Path) -> None:
    """Write the piece's folder, complete or not at all."""
    rendering = render(piece)
    labels = {
        f"{SOUND}-{index}": _labels(piece, rendering, index) for index in range(len(rendering.sections))
    }
    with atomic_folder(folder) as temporary:
        waveform = torch.from_numpy(rendering.waveform)
        audio.write(temporary / f"{SOUND}.flac", waveform, subtype="PCM_16")
        (temporary / LABELS).write_text(json.dumps(labels))


def scan(
    root: Path, tally: Tally, clip: ClipLength = ClipLength(), progress: Progress = silent
) -> dict[str, list[SourceFile]]:
    """The sections of each split that is there."""
    return scan_splits(root, {split: split for split in SEEN_SPLITS}, "Piece*", LABELS, tally, _source)


@DATASETS.register("maqam")
class MaqamPieces(DataSet):
    """Pieces in maqamat, rendered."""

    holds, config, version, seconds = "train/Piece*", MaqamConfig, 1, 0.1
    scan, work = staticmethod(scan), staticmethod(work)


def _labels(piece: Piece, rendering: Rendering, index: int) -> dict[str, Any]:
    section, home = rendering.sections[index], rendering.sections[0]
    return {
        "kind": MELODY,
        "maqam": section.maqam,
        "tonic": round(section.tonic, 4),
        "home": home.maqam,
        "home_tonic": round(home.tonic, 4),
        "section": index,
        "clips": rendering.section_clips,
        "instrument": rendering.string.kind,
        "family": "guitar",  # NSynth's, of plucked lutes
        "sound": f"{piece.config.seed}/{piece.split}/{piece.name}",
        "room": rendering.room,
        "drone": rendering.drone,
        "notes": _notes(rendering.tones),
        "tones": [asdict(tone) for tone in section.tones],
    }


def _notes(tones: Sequence[Tone]) -> list[list[float]]:
    """Onset, offset, nearest key, velocity of each tone; seconds."""
    return [[round(t.onset, 4), round(t.offset, 4), round(t.pitch), t.velocity] for t in tones]


def _source(split: str, folder: Path, name: str, labels: dict[str, Any]) -> SourceFile:
    index, clips = labels["section"], labels["clips"]
    if type(index) is not int or type(clips) is not int or index not in range(3) or clips not in MOST:
        raise ValueError(f"{name} is no third of a piece")
    stem = f"{folder.name}/{name}"
    kept = {key: value for key, value in labels.items() if key not in ("section", "clips", "tones")}
    kept = {"dataset": "maqam", "split": split, "piece": folder.name, "stem": stem, **kept}
    path = folder / f"{SOUND}.flac"
    return SourceFile(f"{folder.name}_{index}", path, clips, kept, first=index * clips, whole=False)
