"""Slakh2100's layout (Manilow et al. 2019): `SPLIT/TrackNNNNN/{metadata.yaml, stems/*.flac, MIDI/*.mid}`.

BabySlakh has wav files and no folders of splits.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from msdae import files
from msdae.data import splits
from msdae.data.labels import MELODY, check_labels, is_plain_name
from msdae.data.sets import DATASETS, DataSet
from msdae.data.sources import SEEN_SPLITS, ClipLength, SourceFile, complete_clips
from msdae.data.tally import Tally
from msdae.errors import UserError, printable
from msdae.progress import Progress, silent
from msdae.symbolic.instruments import family

# Slakh2100-redux moves pieces that occur twice into a further folder, `omitted`, which stays out.
FOLDERS = {"train": "train", "valid": "validation", "test": "test", "unseen": "unseen"}
SUFFIXES = (".flac", ".wav")
FIX = "unpack the archive again"
FLAGS = ("is_drum", "audio_rendered")


def scan(
    root: Path, tally: Tally, clip: ClipLength = ClipLength(), progress: Progress = silent
) -> dict[str, list[SourceFile]]:
    """The pitched stems of each split that is there, in the order of their names.

    Tracks without folders of splits are split by piece.

    Raises:
        UserError: no split and no track is there, or too few tracks to split.
    """
    folders = {split: root / name for split, name in FOLDERS.items() if (root / name).is_dir()}
    tracks = {split: _tracks(folder) for split, folder in folders.items()}
    if not folders:
        tracks = {"train": _tracks(root)}
    if not any(tracks.values()):
        raise UserError(
            f"{printable(root)}: no folders TrackNNNNN in it, nor in train, validation or test; give the "
            "folder they are in"
        )
    with progress(total=sum(map(len, tracks.values())), desc="scan", unit="track", leave=False) as bar:
        stems = {split: _scan_split(members, split, tally, clip, bar) for split, members in tracks.items()}
    return stems if folders else _by_piece(root, stems["train"], tally)


@DATASETS.register("slakh")
class Slakh(DataSet):
    """Slakh2100 as it is distributed, a part of it, or BabySlakh."""

    scan = staticmethod(scan)


def _tracks(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("Track*") if path.is_dir())


def _by_piece(root: Path, stems: list[SourceFile], tally: Tally) -> dict[str, list[SourceFile]]:
    pieces = {stem.labels["piece"] for stem in stems}
    if len(pieces) < splits.FEWEST:
        reason = f"{len(pieces)} tracks that can be used; training, validation and test need one each"
        raise UserError("\n".join([f"{printable(root)}: {reason}; add tracks", *tally.lines("stems")]))
    split = splits.by_name(pieces)
    moved = [replace(stem, labels={**stem.labels, "split": split[stem.labels["piece"]]}) for stem in stems]
    return {name: [stem for stem in moved if stem.labels["split"] == name] for name in SEEN_SPLITS}


def _scan_split(tracks: list[Path], split: str, tally: Tally, clip: ClipLength, bar: Any) -> list[SourceFile]:
    stems = []
    for track in tracks:
        bar.update()
        try:
            metadata = _metadata(track)
        except UserError as error:
            tally.total += 1
            tally.reject(track / "metadata.yaml", error)
            continue
        stems += _scan_track(track, metadata, split, tally, clip)
    tally.accepted += len(stems)
    return stems


def _scan_track(
    track: Path, metadata: dict[str, Any], split: str, tally: Tally, clip: ClipLength
) -> list[SourceFile]:
    stems = []
    for name, entry in sorted(metadata["stems"].items(), key=lambda item: str(item[0])):
        tally.total += 1
        path = track / "stems" / str(name)
        try:
            _check_entry(path, name, entry)
            if entry.get("is_drum"):
                tally.leave_out("drums")
            elif not entry.get("audio_rendered", True):
                tally.leave_out("never rendered, says metadata.yaml")
            else:
                path = _recording(path)
                stems.append(_source(path, name, entry, metadata["UUID"], split, clip))
        except UserError as error:
            tally.reject(path, error)
    return stems


def _metadata(track: Path) -> dict[str, Any]:
    """The metadata of a track, with `stems` and, where it has none, its name as `UUID`."""
    path = track / "metadata.yaml"
    metadata = files.read_yaml(path, FIX)
    if not isinstance(metadata.get("stems"), dict):
        raise UserError(f"{printable(path)}: no stems in it; {FIX}")
    piece = metadata.get("UUID", track.name)
    if type(piece) not in (str, int):
        raise UserError(f"{printable(path)}: UUID is no text; {FIX}")
    return {**metadata, "UUID": str(piece)}


def _check_entry(path: Path, name: Any, entry: Any) -> None:
    if not is_plain_name(name):
        raise UserError(f"{printable(path)}: not the name of a stem; {FIX}")
    if not isinstance(entry, dict) or not all(isinstance(entry.get(flag, True), bool) for flag in FLAGS):
        raise UserError(f"{printable(path)}: damaged entry in metadata.yaml; {FIX}")


def _recording(path: Path) -> Path:
    """The file of the stem `path`, flac or wav."""
    for suffix in SUFFIXES:
        if (recording := path.with_name(path.name + suffix)).is_file():
            return recording
    raise UserError(f"{printable(path)}: in metadata.yaml but without a file; {FIX}")


def _source(
    path: Path, stem: str, entry: dict[str, Any], piece: str, split: str, clip: ClipLength
) -> SourceFile:
    track = path.parent.parent
    midi = track / "MIDI" / f"{stem}.mid"
    if not midi.is_file():
        raise UserError(f"{printable(path)}: without MIDI, so without labels; {FIX}")
    program = entry.get("program_num")
    labels = {
        "dataset": "slakh",
        "kind": MELODY,
        "split": split,
        "piece": piece,
        "stem": f"{track.name}/{stem}",
        "sound": entry.get("sound"),  # of rendered tracks
        "instrument": entry.get("midi_program_name"),
        "class": entry.get("inst_class"),
        "program": program,
    }
    labels = {key: value for key, value in labels.items() if value is not None}
    with files.reading(path, FIX):
        check_labels(labels)
    if kind := family(labels.get("program", -1)):
        labels["family"] = kind
    return SourceFile(f"{track.name}_{stem}", path, complete_clips(path, clip), labels, midi)
