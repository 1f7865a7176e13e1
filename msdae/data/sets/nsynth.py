"""NSynth's layout (Engel et al. 2017): `nsynth-SPLIT/{examples.json, audio/NAME.wav}`, one note a file."""

from pathlib import Path
from typing import Any

from msdae import files
from msdae.data.labels import NOTE, check_labels, is_plain_name
from msdae.data.sets import DATASETS, DataSet
from msdae.data.sources import SEEN_SPLITS, ClipLength, SourceFile, complete_clips
from msdae.data.tally import Tally
from msdae.errors import UserError, printable
from msdae.progress import Progress, silent

HELD = 3.0  # seconds that NSynth's notes are held
FIX = "unpack the archive again"
KEYS = (
    "pitch",
    "velocity",
    "instrument_str",
    "instrument_family_str",
    "instrument_source_str",
)


def scan(
    root: Path, tally: Tally, clip: ClipLength = ClipLength(), progress: Progress = silent
) -> dict[str, list[SourceFile]]:
    """The notes of each split that is there, in the order of their names.

    Raises:
        UserError: no split is there, or its `examples.json` cannot be read.
    """
    folders = {split: root / f"nsynth-{split}" for split in SEEN_SPLITS}
    folders = {split: folder for split, folder in folders.items() if folder.is_dir()}
    if not folders:
        raise UserError(
            f"{printable(root)}: no nsynth-train, -valid or -test folder in it; unpack the archives there"
        )
    return {split: _scan_split(folder, split, tally, clip, progress) for split, folder in folders.items()}


@DATASETS.register("nsynth")
class NSynth(DataSet):
    """NSynth as it is distributed."""

    scan = staticmethod(scan)


def _scan_split(
    folder: Path, split: str, tally: Tally, clip: ClipLength, progress: Progress
) -> list[SourceFile]:
    examples = files.read_json(folder / "examples.json", dict, FIX)
    # Hidden files are what a killed writer or a Mac leaves behind.
    paths = {path.stem: path for path in (folder / "audio").glob("[!.]*.wav")}
    names = sorted(paths.keys() | examples.keys())
    tally.total += len(names)
    notes = []
    for name in progress(names, desc=f"scan {split}", unit="file", leave=False):
        path = paths.get(name, folder / "audio" / f"{name}.wav")
        try:
            notes.append(_source(path, name, split, examples.get(name), clip))
        except UserError as error:
            tally.reject(path, error)
    tally.accepted += len(notes)
    return notes


def _source(path: Path, name: str, split: str, example: Any, clip: ClipLength) -> SourceFile:
    shown = printable(path)
    if example is None:
        raise UserError(f"{shown}: not in examples.json; {FIX}")
    if not isinstance(example, dict):
        raise UserError(f"{shown}: damaged entry in examples.json; {FIX}")
    if not is_plain_name(name):
        raise UserError(f"{shown}: not the name of a note; {FIX}")
    missing = [key for key in KEYS if key not in example]
    if missing:
        raise UserError(f"{shown}: incomplete labels (no {missing[0]}); {FIX}")
    pitch, velocity = example["pitch"], example["velocity"]
    labels = {
        "dataset": "nsynth",
        "kind": NOTE,
        "split": split,
        "piece": name,
        "stem": name,
        "instrument": example["instrument_str"],
        "family": example["instrument_family_str"],
        "source": example["instrument_source_str"],
        "pitch": pitch,
        "velocity": velocity,
        "notes": [[0.0, min(HELD, clip.seconds), pitch, velocity]],
    }
    with files.reading(path, FIX):
        check_labels(labels)
    complete_clips(path, clip)
    return SourceFile(name, path, clips=1, labels=labels)
