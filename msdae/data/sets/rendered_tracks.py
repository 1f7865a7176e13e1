"""Arranged pieces by SoundFont, in Slakh2100's layout: `SPLIT/TrackNNNNN/{metadata.yaml, stems/, MIDI/}`."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import yaml

from msdae import audio
from msdae.audio.loudness import Loudness
from msdae.data import parts
from msdae.data.rendering import RenderConfig
from msdae.data.sets import DATASETS, DataSet, slakh
from msdae.data.sources import SPLITS, ClipLength, SourceFile
from msdae.data.tally import Tally
from msdae.errors import UserError
from msdae.files import atomic_folder
from msdae.progress import Progress, silent
from msdae.symbolic import corpus, instruments
from msdae.symbolic.arrange import Stem, arrange
from msdae.symbolic.instruments import Voice
from msdae.symbolic.midi import write_midi
from msdae.synthesis import soundfont
from msdae.synthesis.sound import voice_name
from msdae.synthesis.soundfont import SAMPLE_RATE, SILENCE

CLIPS = (7, 13)  # length of a track, 21 to 39 s
CLIPS_PER_TRACK = 19  # on average, with the stems that are silent for a while taken off
FIRST_NUMBER = {"train": 1, "validation": 30001, "test": 40001, "unseen": 50001}
ATTEMPTS = 100
PEAK = (0.35, 0.9)  # range of a stem's peak

# `inst_class`: the General MIDI groups of eight programs, as Slakh2100 names them.
CLASSES = (
    "Piano",
    "Chromatic Percussion",
    "Organ",
    "Guitar",
    "Bass",
    "Strings",
    "Strings (continued)",
    "Brass",
    "Reed",
    "Pipe",
    "Synth Lead",
    "Synth Pad",
    "Sound Effects",
    "Ethnic",
    "Percussive",
    "Sound effects",
)


@dataclass(frozen=True)
class Track:
    """Track `index` of a split; everything about it follows from these and the seed."""

    split: str
    index: int
    seed: int
    voices: tuple[Voice, ...]
    clip: ClipLength = ClipLength()

    @property
    def name(self) -> str:
        return f"Track{FIRST_NUMBER[self.split] + self.index:05d}"


def work(config: RenderConfig, sizes: Mapping[str, int], folder: Path, clip: ClipLength) -> list[parts.Part]:
    """What has to be done for about `sizes[split]` clips of each split; a part is a track."""
    seen, unseen = map(soundfont.able, instruments.voices(config.fonts(), config.unseen_fonts()))
    tracks = {
        split: plan(slakh.FOLDERS[split], size, unseen if split == "unseen" else seen, config.seed, clip)
        for split, size in sizes.items()
    }
    return [
        parts.Part(render_track, track, folder / track.split / track.name, CLIPS_PER_TRACK)
        for split in sizes
        for track in tracks[split]
    ]


def scan(
    root: Path, tally: Tally, clip: ClipLength = ClipLength(), progress: Progress = silent
) -> dict[str, list[SourceFile]]:
    """The stems of each split that is there; see `slakh.scan`."""
    splits = slakh.scan(root, tally, clip, progress)
    return {
        split: [replace(file, labels={**file.labels, "dataset": "tracks"}) for file in files]
        for split, files in splits.items()
    }


@DATASETS.register("tracks")
class Tracks(DataSet):
    """Arranged pieces, rendered."""

    holds, splits, config, version = "train/Track*", SPLITS, RenderConfig, 2
    scan = staticmethod(scan)

    @staticmethod
    def work(config: RenderConfig, folder: Path, clip: ClipLength) -> list[parts.Part]:
        return work(config, {split: config.size(split) for split in SPLITS}, folder, clip)


def plan(
    split: str, clips: int, voices: Sequence[Voice], seed: int, clip: ClipLength = ClipLength()
) -> list[Track]:
    """As many tracks as give about `clips` clips. split: the name of its folder."""
    tracks = -(-clips // CLIPS_PER_TRACK)
    return [Track(split, index, seed, tuple(voices), clip) for index in range(tracks)]


def render_track(track: Track, folder: Path) -> None:
    """Write the track's folder, complete or not at all."""
    rng = random.Random(f"tracks/{track.seed}/{track.name}")
    piece, stems, samples = _compose(track, rng)
    with atomic_folder(folder) as temporary:
        for kind in ("stems", "MIDI"):
            (temporary / kind).mkdir()
        entries = {}
        for index, stem in enumerate(stems):
            name = f"S{index:02d}"
            waveform = _play(stem, samples, peak=rng.uniform(*PEAK))
            audio.write(temporary / "stems" / f"{name}.flac", waveform, subtype="PCM_16")
            write_midi(
                temporary / "MIDI" / f"{name}.mid",
                stem.notes,
                stem.voice.instrument.program,
                stem.voice.instrument.name,
            )
            entries[name] = _entry(stem, waveform)
        metadata = {"UUID": piece, "audio_dir": "stems", "midi_dir": "MIDI", "stems": entries}
        (temporary / "metadata.yaml").write_text(yaml.safe_dump(metadata))


def _compose(track: Track, rng: random.Random) -> tuple[str, list[Stem], int]:
    """A piece of the track's split, its stems (one at least) and its length in samples."""
    pieces, least = corpus.pieces(track.split), track.clip.at(SAMPLE_RATE)
    for _ in range(ATTEMPTS):
        piece = rng.choice(pieces)
        seconds = rng.randint(*CLIPS) * track.clip.seconds
        stems = arrange(corpus.parts(piece), track.voices, seconds, rng)
        if stems:
            end = max(offset for stem in stems for _, offset, _, _ in stem.notes)
            return piece, stems, max(least, round(min(seconds, end) * SAMPLE_RATE))
    raise UserError(f"{track.name}: no piece of the corpus suits these instruments; use another --seed")


def _play(stem: Stem, samples: int, peak: float) -> torch.Tensor:
    """The stem (samples,), brought to `peak`."""
    waveform = soundfont.render(stem.notes, stem.voice.soundfont, stem.voice.instrument.program, samples)
    return waveform * (peak / max(float(waveform.abs().max()), SILENCE))


def _entry(stem: Stem, waveform: torch.Tensor) -> dict:
    """The keys of a stem in Slakh2100's metadata.yaml, and `sound`, the name of the voice that plays it."""
    kind = stem.voice.instrument
    loudness = Loudness(SAMPLE_RATE)
    loudness.add(waveform)
    return {
        "audio_rendered": True,
        "inst_class": CLASSES[kind.program // 8],
        "integrated_loudness": round(loudness.integrated(), 4),
        "is_drum": False,
        "midi_program_name": kind.name,
        "midi_saved": True,
        "plugin_name": Path(stem.voice.soundfont).name,
        "program_num": kind.program,
        "sound": voice_name(stem.voice),
    }
