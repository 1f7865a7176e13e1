"""The synth data: notes and tracks rendered by SoundFont into one folder, `notes/` and `tracks/`."""

from pathlib import Path

from msdae.data import parts
from msdae.data.rendering import RenderConfig
from msdae.data.sets import DATASETS, DataSet, rendered_notes, rendered_tracks
from msdae.data.sources import SPLITS, ClipLength, SourceFile
from msdae.data.tally import Tally
from msdae.progress import Progress, silent


def work(config: RenderConfig, folder: Path, clip: ClipLength) -> list[parts.Part]:
    """See `DataSet.work`; half of the clips are notes, half are of tracks."""
    halves = {split: max(1, config.size(split) // 2) for split in SPLITS}
    notes = rendered_notes.work(config, halves, folder / "notes", clip)
    return notes + rendered_tracks.work(config, halves, folder / "tracks", clip)


def scan(
    root: Path, tally: Tally, clip: ClipLength = ClipLength(), progress: Progress = silent
) -> dict[str, list[SourceFile]]:
    """Notes and tracks, split by split."""
    notes = rendered_notes.scan(root / "notes", tally, clip, progress)
    tracks = rendered_tracks.scan(root / "tracks", tally, clip, progress)
    return {split: notes.get(split, []) + tracks.get(split, []) for split in SPLITS}


@DATASETS.register("synth")
class Rendered(DataSet):
    """Single notes and arranged pieces, rendered."""

    holds, splits, config, version = "tracks/train/Track*", SPLITS, RenderConfig, 2
    scan, work = staticmethod(scan), staticmethod(work)
