"""The data sets that are rendered here, made on first use."""

import sys
from collections.abc import Sequence
from pathlib import Path

from msdae import codecs, folders
from msdae.audio.mel import MelConfig
from msdae.data import cache, parts, prepare
from msdae.data.encode import Encoding
from msdae.data.report import Report
from msdae.data.sets import rendered as synth
from msdae.data.sets import squares
from msdae.data.sources import SPLITS
from msdae.errors import UserError

MADE = {"synth": (synth, SPLITS), "squares": (squares, SPLITS[:3])}  # what renders a data set, and its splits
CLIPS = {"synth": 6000, "squares": 3000}  # for training


def embedded(
    root: str | Path | None = None,
    codec: str = codecs.DEFAULT,
    mel: MelConfig = MelConfig(),
    dataset: str = "synth",
) -> Path:
    """The folder `root/dataset` with the caches of its splits; made where missing.

    root: by default the folder of prepared data sets, `folders.data()`.
    dataset: "synth", notes and pieces as NSynth and Slakh have them, or "squares", what a swap is trained on.

    Raises:
        UserError: it was made with another codec.
    """
    folder, splits = Path(root or folders.data()) / dataset, MADE[dataset][1]
    if not all((folder / split / cache.MANIFEST).exists() for split in splits):
        if parts.rank() == 0:
            print(f"making the data set {dataset} in {folder} (once, some minutes, 2 GB)", file=sys.stderr)
        make(dataset, folder, synth.Settings(CLIPS[dataset]), Encoding(codec, mel))
    _require_codec(folder, codec, splits)
    return folder


def make(
    dataset: str,
    out: Path,
    settings: synth.Settings,
    encoding: Encoding,
    source: Path | None = None,
    workers: int | None = None,
    strict: bool = False,
    shard_clips: int | None = None,
) -> None:
    """Render to `source` (by default `out/source`) and prepare that in `out`; prints the reports."""
    source = source or out / "source"
    renderer, _ = MADE[dataset]
    renderer.render(settings, source, workers)
    report = Report(strict)
    files = renderer.scan(source, report)
    show(report, "files")
    show(prepare.prepare(files, out, source, dataset, encoding, report, workers, shard_clips), "clips")


def show(report: Report, unit: str) -> None:
    """Print the report, once for all ranks."""
    if parts.rank() == 0:
        print("\n".join(report.lines(unit)), file=sys.stderr)


def _require_codec(folder: Path, name: str, splits: Sequence[str]) -> None:
    fingerprint = codecs.load(name).fingerprint
    for split in splits:
        made = cache.read_manifest(folder / split)["codec"]
        if made["fingerprint"] != fingerprint:
            raise UserError(
                f"{folder / split}: made with another codec ('{made['name']}', {made['fingerprint'][:12]}); "
                f"delete {folder} or use another folder"
            )
