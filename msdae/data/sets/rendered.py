"""The synth data: both layouts rendered by SoundFont into one folder, `nsynth/` and `slakh/`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msdae.checkpoint import atomic
from msdae.data import parts
from msdae.data.report import Report
from msdae.data.sets import nsynth, slakh
from msdae.data.sets import rendered_notes as synth_notes
from msdae.data.sets import rendered_tracks as synth_tracks
from msdae.data.sets.slakh import FOLDERS
from msdae.data.sources import SPLITS, SourceFile
from msdae.errors import UserError
from msdae.symbolic import instruments
from msdae.synthesis import soundfont

VERSION = 1  # of the rendering: raise it when the same settings give other bytes
NOTES_PER_PART = 100
SETTINGS = "synth.json"
HELD_OUT_SHARE = 0.05  # of the training clips, for each other split
FEWEST = 12


@dataclass(frozen=True)
class Settings:
    """clips: about so many for training, half notes and half pieces; a twentieth for each other split.

    unseen_soundfonts: for the unseen split; by default the same ones (its instruments are others anyway).
    """

    clips: int = 6000
    seed: int = 0
    soundfonts: tuple[str, ...] = ()
    unseen_soundfonts: tuple[str, ...] = ()


def render(settings: Settings, folder: Path, workers: int | None = None) -> None:
    """Render what is not there yet; a folder that is complete is left as it is.

    Raises:
        UserError: the folder holds the rendering of other settings, or a SoundFont cannot be read.
    """
    seen_fonts = settings.soundfonts or (str(soundfont.default()),)
    unseen_fonts = settings.unseen_soundfonts or seen_fonts
    claim(folder, VERSION, settings, seen_fonts, unseen_fonts)
    seen, unseen = instruments.voices(seen_fonts, unseen_fonts)
    held_out = max(FEWEST, round(HELD_OUT_SHARE * settings.clips))
    sizes = {split: settings.clips if split == "train" else held_out for split in SPLITS}
    halves = {split: max(1, size // 2) for split, size in sizes.items()}

    trained = {split: half for split, half in halves.items() if split != "unseen"}
    notes = synth_notes.plan(seen, trained, settings.seed)
    notes |= synth_notes.plan(unseen, {"unseen": halves["unseen"]}, settings.seed)
    targets = {split: folder / "nsynth" / f"nsynth-{split}" for split in SPLITS}
    note_parts = {split: _note_parts(targets[split], notes[split]) for split in SPLITS}
    everything = [part for split in SPLITS for part in note_parts[split]]
    for split in SPLITS:
        voices = unseen if split == "unseen" else seen
        tracks = synth_tracks.plan(FOLDERS[split], halves[split], voices, settings.seed)
        everything += _track_parts(folder / "slakh" / FOLDERS[split], tracks)
    parts.run(everything, "render", "clip", workers)
    parts.wait_for([part.path for part in everything])
    for split in SPLITS:
        synth_notes.join_labels(targets[split], [part.path for part in note_parts[split]])


def scan(folder: Path, report: Report) -> dict[str, list[SourceFile]]:
    """Both layouts, split by split."""
    notes, pieces = nsynth.scan(folder / "nsynth", report), slakh.scan(folder / "slakh", report)
    return {split: notes[split] + pieces[split] for split in SPLITS}


def claim(
    folder: Path, version: int, settings: Settings, fonts: Sequence[str], unseen_fonts: Sequence[str]
) -> None:
    """Write down what is rendered here, and refuse a folder where something else is."""
    wanted = {
        "version": version,
        "clips": settings.clips,
        "seed": settings.seed,
        "soundfonts": [[Path(font).name, soundfont.fingerprint(font)] for font in fonts],
        "unseen_soundfonts": [[Path(font).name, soundfont.fingerprint(font)] for font in unseen_fonts],
    }
    path = folder / SETTINGS
    if path.exists():
        there = json.loads(path.read_text())
        differing = [key for key, value in wanted.items() if there.get(key) != value]
        if differing:
            settings = ", ".join(differing)
            raise UserError(f"{folder}: rendered with other {settings}; delete it or use another folder")
        return
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(wanted, indent=1))


def _note_parts(folder: Path, notes: Sequence[synth_notes.SynthNote]) -> list[parts.Part]:
    groups = [notes[start : start + NOTES_PER_PART] for start in range(0, len(notes), NOTES_PER_PART)]
    paths = [folder / ".parts" / f"{index:05d}.json" for index in range(len(groups))]
    return [
        parts.Part(synth_notes.render_notes, (folder, group), path, len(group))
        for group, path in zip(groups, paths, strict=True)
    ]


def _track_parts(folder: Path, tracks: Sequence[synth_tracks.Track]) -> list[parts.Part]:
    weight = synth_tracks.CLIPS_PER_TRACK
    return [parts.Part(synth_tracks.render_track, track, folder / track.name, weight) for track in tracks]
