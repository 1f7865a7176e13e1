"""Slakh2100's layout (Manilow et al. 2019): `SPLIT/TrackNNNNN/{metadata.yaml, stems/*.flac, MIDI/*.mid}`."""

from pathlib import Path

import yaml

from msdae.data.sets import DATASETS, DataSet
from msdae.data.sources import MELODY, ClipLength, SourceFile, complete_clips
from msdae.data.tally import Tally
from msdae.errors import UserError
from msdae.symbolic.instruments import family

# Slakh2100-redux moves pieces that occur twice into a further folder, `omitted`, which stays out.
FOLDERS = {"train": "train", "valid": "validation", "test": "test", "unseen": "unseen"}


def scan(root: Path, tally: Tally, clip: ClipLength = ClipLength()) -> dict[str, list[SourceFile]]:
    """The pitched stems of each split that is there, in the order of their names.

    Raises:
        UserError: no split is there.
    """
    folders = {split: root / name for split, name in FOLDERS.items() if (root / name).is_dir()}
    if not folders:
        raise UserError(f"{root}: no train, validation or test folder in it; unpack the archive there")
    return {split: _scan_split(folder, split, tally, clip) for split, folder in folders.items()}


@DATASETS.register("slakh")
class Slakh(DataSet):
    """Slakh2100 as it is distributed."""

    scan = staticmethod(scan)


def _scan_split(folder: Path, split: str, tally: Tally, clip: ClipLength) -> list[SourceFile]:
    files = []
    for track in sorted(path for path in folder.glob("Track*") if path.is_dir()):
        try:
            metadata = _metadata(track / "metadata.yaml")
        except UserError as error:
            tally.total += 1
            tally.reject(track / "metadata.yaml", error)
            continue
        files += _scan_track(track, metadata, split, tally, clip)
    tally.accepted += len(files)
    return files


def _scan_track(track: Path, metadata: dict, split: str, tally: Tally, clip: ClipLength) -> list[SourceFile]:
    files = []
    for stem, entry in sorted(metadata["stems"].items()):
        tally.total += 1
        path = track / "stems" / f"{stem}.flac"
        if entry.get("is_drum"):
            tally.leave_out("drums")
        elif not entry.get("audio_rendered", True):
            tally.leave_out("never rendered, says metadata.yaml")
        else:
            try:
                files.append(_source(path, stem, entry, metadata, split, clip))
            except UserError as error:
                tally.reject(path, error)
    return files


def _metadata(path: Path) -> dict:
    try:
        metadata = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot be read as YAML ({error}); unpack the archive again") from error
    stems = metadata.get("stems") if isinstance(metadata, dict) else None
    if not isinstance(stems, dict) or not all(isinstance(entry, dict) for entry in stems.values()):
        raise UserError(f"{path}: no stems in it; unpack the archive again")
    return metadata


def _source(path: Path, stem: str, entry: dict, metadata: dict, split: str, clip: ClipLength) -> SourceFile:
    track = path.parent.parent
    midi = track / "MIDI" / f"{stem}.mid"
    if not path.is_file():
        raise UserError(f"{path}: in metadata.yaml but without a file; unpack the archive again")
    if not midi.is_file():
        raise UserError(f"{path}: without MIDI, so without labels; unpack the archive again")
    program = entry.get("program_num")
    labels = {
        "dataset": "slakh",
        "kind": MELODY,
        "split": split,
        "piece": str(metadata.get("UUID", track.name)),
        "stem": f"{track.name}/{stem}",
        "sound": entry.get("sound"),  # of rendered tracks
        "instrument": entry.get("midi_program_name"),
        "class": entry.get("inst_class"),
        "program": program,
        "family": family(program),
    }
    labels = {key: value for key, value in labels.items() if value is not None}
    return SourceFile(f"{track.name}_{stem}", path, complete_clips(path, clip), labels, midi)
