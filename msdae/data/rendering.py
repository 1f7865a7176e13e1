"""What the data sets that are rendered here share: their settings, their sizes and the record of them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from msdae.data.labels import check_labels, is_plain_name
from msdae.data.sources import ClipLength, SourceFile
from msdae.data.splits import HELD_OUT
from msdae.data.tally import Tally
from msdae.errors import UserError, printable
from msdae.files import atomic, read_json, reading
from msdae.limits import CLIPS, SEED, Range, check
from msdae.synthesis import soundfont

RECORD, EARLIER = "rendering.json", "synth.json"  # files that say what a folder's rendering was made from
FEWEST = 12  # clips of such a split
BYTES, MOST_BYTES = 240_000, 400_000  # of a clip on disk, sound and cache, and while its cache is made


@dataclass(frozen=True)
class RenderConfig:
    """What a data set is rendered from; the same settings give the same bytes.

    clips: about so many for training; each other split has a twentieth of them.
    seed: of everything that is drawn.
    soundfonts: SoundFonts that play, names or paths (see `soundfont.locate`); none: the one in pretty_midi.
    weights: how often each SoundFont is taken in proportion to the others; none: each as often.
    unseen_soundfonts: SoundFonts of the unseen split; none: the same (its instruments are others anyway).
    """

    clips: Annotated[int, CLIPS] = 6000
    seed: Annotated[int, SEED] = 0
    soundfonts: tuple[str, ...] = ()
    weights: tuple[Annotated[int, Range(1, 100)], ...] = ()
    unseen_soundfonts: tuple[str, ...] = ()

    def __post_init__(self):
        check(self)
        if self.weights and len(self.weights) != len(self.soundfonts):
            raise UserError(f"weights: are {list(self.weights)}, expected one for each of soundfonts")

    def fonts(self) -> tuple[str, ...]:
        """Paths of the SoundFonts, each as often as its weight.

        Raises:
            UserError: one is not on this machine.
        """
        if not self.soundfonts:
            return (str(soundfont.default()),)
        weights = self.weights or (1,) * len(self.soundfonts)
        pairs = zip(self.soundfonts, weights, strict=True)
        return tuple(path for font, weight in pairs for path in [str(soundfont.locate(font))] * weight)

    def unseen_fonts(self) -> tuple[str, ...]:
        """Paths of the unseen split's SoundFonts; raises as `fonts`."""
        return tuple(str(soundfont.locate(font)) for font in self.unseen_soundfonts) or self.fonts()

    def size(self, split: str) -> int:
        """Clips of a split."""
        return self.clips if split == "train" else max(FEWEST, round(HELD_OUT * self.clips))

    def record(self) -> dict[str, Any]:
        """The settings, with what plays by name and fingerprint, to be written down; raises as `fonts`."""
        settings = asdict(self)
        del settings["weights"]  # they show in the list of SoundFonts
        fonts = {"soundfonts": _named(self.fonts()), "unseen_soundfonts": _named(self.unseen_fonts())}
        return settings | fonts


def claim(folder: Path, version: int, config: RenderConfig, clip: ClipLength) -> None:
    """Write down what is rendered in `folder`, and refuse a folder where something else is.

    Raises:
        UserError: the folder holds the rendering of other settings or of another version.
    """
    record = {
        "version": version,
        **config.record(),
        "clip": asdict(clip),
    }
    record = json.loads(json.dumps(record))
    path = folder / RECORD
    if path.exists() or (folder / EARLIER).exists():
        present = read_json(path, dict, f"delete {printable(folder)}") if path.exists() else {}
        if present.get("version") != version:
            raise UserError(
                f"{folder}: rendered by another version of msdae; delete it and what was prepared from it, "
                "and make both again with experiments/prepare_data.py"
            )
        differing = [key for key, value in record.items() if present.get(key) != value]
        if differing:
            raise UserError(
                f"{folder}: rendered with other {', '.join(differing)}; delete it or use another folder"
            )
        return
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1))


def scan_splits(
    root: Path,
    splits: Mapping[str, str],
    pattern: str,
    name: str,
    tally: Tally,
    source: Callable[[str, Path, str, dict[str, Any]], SourceFile],
) -> dict[str, list[SourceFile]]:
    """The clips of each split of a rendered set that is there: {split: clips}.

    splits: {folder in `root`: split}. pattern: matches the folders in it that hold clips. name: of the file
        of labels in each of these, {clip: labels}.
    source: makes a `SourceFile` from (split, folder, clip, labels). Damaged labels are counted in `tally`.
    """
    return {
        split: _scan_folders(sorted((root / folder).glob(pattern)), name, tally, partial(source, split))
        for folder, split in splits.items()
        if (root / folder).is_dir()
    }


def _scan_folders(
    folders: Sequence[Path],
    name: str,
    tally: Tally,
    source: Callable[[Path, str, dict[str, Any]], SourceFile],
) -> list[SourceFile]:
    clips = []
    for folder in folders:
        fix = f"delete {printable(folder)}; the same line renders it again"
        try:
            entries = read_json(folder / name, dict, fix)
        except UserError as error:
            tally.total += 1
            tally.reject(folder / name, error)
            continue
        for clip, labels in entries.items():
            tally.total += 1
            try:
                with reading(folder / name, fix):
                    if not is_plain_name(clip) or not isinstance(labels, dict):
                        raise ValueError(f"{clip[:40]!r} has no labels")
                    file = source(folder, clip, labels)
                    check_labels(file.labels)
                clips.append(file)
            except UserError as error:
                tally.reject(folder / name, error)
    tally.accepted += len(clips)
    return clips


def _named(fonts: tuple[str, ...]) -> list[list[str]]:
    return [[Path(font).name, soundfont.fingerprint(font)] for font in fonts]
