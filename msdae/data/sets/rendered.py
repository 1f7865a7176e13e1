"""The synth data: notes and tracks rendered by SoundFont into one folder, `notes/` and `tracks/`."""

from pathlib import Path

from msdae.data import parts
from msdae.data.rendering import RenderConfig, claim
from msdae.data.sets import DATASETS, DataSet, rendered_notes, rendered_tracks
from msdae.data.sources import SPLITS, ClipLength, SourceFile
from msdae.data.tally import Tally
from msdae.progress import Progress, silent

VERSION = 2  # of the rendering: raise it when the same settings give other bytes


def render(
    config: RenderConfig,
    folder: Path,
    clip: ClipLength = ClipLength(),
    workers: int | None = None,
    progress: Progress = silent,
) -> None:
    """See `DataSet.render`; half of the clips are notes, half are of tracks."""
    claim(folder, VERSION, config, clip)
    halves = {split: max(1, config.size(split) // 2) for split in SPLITS}
    work = rendered_notes.work(config, halves, folder / "notes", clip)
    work += rendered_tracks.work(config, halves, folder / "tracks", clip)
    parts.complete(work, "render", "clip", workers, progress)


def scan(root: Path, tally: Tally, clip: ClipLength = ClipLength()) -> dict[str, list[SourceFile]]:
    """Notes and tracks, split by split."""
    notes = rendered_notes.scan(root / "notes", tally, clip)
    tracks = rendered_tracks.scan(root / "tracks", tally, clip)
    return {split: notes[split] + tracks[split] for split in SPLITS}


@DATASETS.register("synth")
class Rendered(DataSet):
    """Single notes and arranged pieces, rendered."""

    splits, config = SPLITS, RenderConfig
    scan, render = staticmethod(scan), staticmethod(render)
