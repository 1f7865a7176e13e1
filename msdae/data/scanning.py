"""The recordings in a folder, whatever it holds."""

from pathlib import Path

from msdae.data.rendering import RECORD
from msdae.data.sets import DATASETS
from msdae.data.sources import SEEN_SPLITS, ClipLength, SourceFile
from msdae.data.tally import Tally
from msdae.progress import Progress, silent


def scan(
    folder: Path, tally: Tally, clip: ClipLength = ClipLength(), progress: Progress = silent
) -> dict[str, list[SourceFile]]:
    """The files of each split of a rendered data set, or of a folder of any recordings, which is split here.

    folder: of recordings, of a rendered data set, or the one that such a set was prepared in.

    Raises:
        UserError: there are no recordings in it.
    """
    place = folder / "source" if (folder / "source" / RECORD).is_file() else folder
    sets = [DATASETS[name] for name in DATASETS]
    entry = next((one for one in sets if one.holds and any(place.glob(one.holds))), DATASETS["folder"])
    found = entry.scan(place, tally, clip, progress)
    return {split: files for split, files in found.items() if split in SEEN_SPLITS}
