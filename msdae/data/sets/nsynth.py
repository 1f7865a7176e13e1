"""NSynth's layout (Engel et al. 2017): `nsynth-SPLIT/{examples.json, audio/NAME.wav}`, one note a file."""

import json
from pathlib import Path

from msdae.data.sets import DATASETS, DataSet
from msdae.data.sources import NOTE, SEEN_SPLITS, ClipLength, SourceFile, complete_clips
from msdae.data.tally import Tally
from msdae.errors import UserError

HELD = 3.0  # seconds that NSynth's notes are held
KEYS = (
    "pitch",
    "velocity",
    "instrument_str",
    "instrument_family_str",
    "instrument_source_str",
)


def scan(root: Path, tally: Tally, clip: ClipLength = ClipLength()) -> dict[str, list[SourceFile]]:
    """The notes of each split that is there, in the order of their names.

    Raises:
        UserError: no split is there, or its `examples.json` cannot be read.
    """
    folders = {split: root / f"nsynth-{split}" for split in SEEN_SPLITS}
    folders = {split: folder for split, folder in folders.items() if folder.is_dir()}
    if not folders:
        raise UserError(f"{root}: no nsynth-train, -valid or -test folder in it; unpack the archives there")
    return {split: _scan_split(folder, split, tally, clip) for split, folder in folders.items()}


@DATASETS.register("nsynth")
class NSynth(DataSet):
    """NSynth as it is distributed."""

    scan = staticmethod(scan)


def _scan_split(folder: Path, split: str, tally: Tally, clip: ClipLength) -> list[SourceFile]:
    examples = _examples(folder / "examples.json")
    # Hidden files are what a killed writer or a Mac leaves behind.
    paths = {path.stem: path for path in (folder / "audio").glob("[!.]*.wav")}
    tally.total += len(paths.keys() | examples.keys())
    files = []
    for name in sorted(paths.keys() | examples.keys()):
        path = paths.get(name, folder / "audio" / f"{name}.wav")
        try:
            files.append(_source(path, split, examples.get(name), clip))
        except UserError as error:
            tally.reject(path, error)
    tally.accepted += len(files)
    return files


def _examples(path: Path) -> dict[str, dict]:
    try:
        examples = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error}); unpack the archive again") from error
    if not isinstance(examples, dict):
        raise UserError(f"{path}: not NSynth's examples.json; unpack the archive again")
    return examples


def _source(path: Path, split: str, example: dict | None, clip: ClipLength) -> SourceFile:
    if example is None:
        raise UserError(f"{path}: not in examples.json; unpack the archive again")
    missing = [key for key in KEYS if key not in example]
    if missing:
        raise UserError(f"{path}: incomplete labels (no {missing[0]}); unpack the archive again")
    complete_clips(path, clip)
    pitch, velocity = example["pitch"], example["velocity"]
    labels = {
        "dataset": "nsynth",
        "kind": NOTE,
        "split": split,
        "piece": path.stem,
        "stem": path.stem,
        "instrument": example["instrument_str"],
        "family": example["instrument_family_str"],
        "source": example["instrument_source_str"],
        "pitch": pitch,
        "velocity": velocity,
        "notes": [[0.0, min(HELD, clip.seconds), pitch, velocity]],
    }
    return SourceFile(path.stem, path, clips=1, labels=labels)
