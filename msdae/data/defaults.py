"""The data sets that training and probes use where none is named: rendered on first use."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path

from msdae import codecs, config, folders, launcher
from msdae.audio import SAMPLE_RATE
from msdae.audio.mel import MelConfig
from msdae.data import cache, prepare
from msdae.data.encode import Encoding
from msdae.data.rendering import BYTES
from msdae.data.sets import DATASETS
from msdae.data.sources import ClipLength, SourceFile
from msdae.data.tally import Tally
from msdae.errors import UserError
from msdae.progress import Progress, silent

logger = logging.getLogger(__name__)
PIECE = ClipLength(32 * SAMPLE_RATE)  # of those that priors learn from
TRANSCRIBED = {  # squares of more chords and lines than those that a swap is trained on
    "seed": 71,
    "sampled": 0.45,
    "polyphonic": 0.6,
    "several_lines": 0.85,
    "single_notes": 0.1,
    "mixed": 0.05,
    "textures": 0.35,
    "texture": {"chords": 3, "arpeggios": 1, "runs": 0.5, "long_notes": 0.5},
    "sound": {
        "formulas": 0.1,
        "processed": 0.15,
        "layered": 0.05,
        "moved": 0.3,
        "played": 0.4,
        "recorded": 0.4,
    },
}
PIECES = {"clips": 600, "single_notes": 0.0, "mixed": 0.0, "textures": 0.1, "least_notes": 12, "seed": 7}


def embedded(
    root: str | Path | None = None,
    codec: str = codecs.DEFAULT,
    mel: MelConfig = MelConfig(),
    dataset: str = "synth",
    progress: Progress = silent,
) -> Path:
    """The folder `root/dataset` with the caches of a rendered data set; made where missing.

    root: by default the folder of prepared data sets, `folders.data()`.
    dataset: "synth", notes and pieces by many instruments, or "squares", what a swap is trained on.

    Raises:
        UserError: it was made with another codec.
    """
    entry = DATASETS[dataset]
    folder, splits = Path(root or folders.data()) / dataset, entry.splits
    if not all((folder / split / cache.MANIFEST).exists() for split in splits):
        if launcher.rank() == 0:
            clips = sum(map(entry.config().size, splits))
            minutes, size = math.ceil(clips * entry.seconds / 60), clips * BYTES / 1e9
            about = f"{clips} clips, about {minutes} min on two cores, {size:.1f} GB"
            logger.info("making the data set %s in %s (once: %s)", dataset, folder, about)
        prepare.prepare_set(dataset, folder, Encoding(codec, mel), progress=progress)
    _require_codec(folder, codec, splits)
    return folder


def pieces(
    root: str | Path | None = None, clips: int = PIECES["clips"], progress: Progress = silent
) -> dict[str, list[SourceFile]]:
    """Long pieces, {split: recordings}: squares with clips of 32 s, rendered to `root` if they are missing.

    root: by default "pieces" in the folder of prepared data sets. clips: how many for training.
    """
    entry, folder = DATASETS["squares"], Path(root or folders.data() / "pieces")
    settings = entry.config(**{**PIECES, "clips": clips})
    logger.info("pieces of 32 s in %s (rendered once: %d min on two cores)", folder, math.ceil(clips / 110))
    entry.render(settings, folder / "source", PIECE, None, progress)
    return entry.scan(folder / "source", Tally(), PIECE, progress)


def transcribed(
    root: str | Path,
    clips: int,
    samples: Sequence[str] = (),
    left_out: Sequence[str] = (),
    progress: Progress = silent,
) -> dict[str, list[SourceFile]]:
    """What the transcriber learns from, {split: clips}: squares, rendered to `root` if they are missing.

    root: one in which squares were prepared is taken as it is. clips: how many for training.
    samples, left_out: as of `SquaresConfig`.

    Raises:
        UserError: as `DataSet.render`.
    """
    entry, folder = DATASETS["squares"], Path(root)
    if not (folder / "train" / cache.MANIFEST).is_file():
        values = {**TRANSCRIBED, "clips": clips, "samples": list(samples), "left_out": list(left_out)}
        settings = config.from_mapping(entry.config, values)
        logger.info("squares in %s (rendered once: %d min on two cores)", folder, math.ceil(clips / 3000))
        entry.render(settings, folder / "source", progress=progress)
    return entry.scan(folder / "source", Tally(), progress=progress)


def _require_codec(folder: Path, name: str, splits: Sequence[str]) -> None:
    fingerprint = codecs.load(name).fingerprint
    for split in splits:
        recorded = cache.read_manifest(folder / split)["codec"]
        if recorded["fingerprint"] != fingerprint:
            raise UserError(
                f"{folder / split}: made with another codec ('{recorded['name']}', "
                f"{recorded['fingerprint'][:12]}); delete {folder} or use another folder"
            )
