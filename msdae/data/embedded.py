"""The default data set, made on first use."""

import sys
from pathlib import Path

from msdae import codecs
from msdae.data import cache, parts, prepare, synth
from msdae.data.encode import Encoding
from msdae.data.report import Report
from msdae.data.sources import SPLITS
from msdae.errors import UserError


def embedded(root: str | Path = "data", codec: str = "spectral") -> Path:
    """The folder `root/synth` with the caches `train`, `valid`, `test` and `unseen`; made where missing.

    Raises:
        UserError: it was made with another codec.
    """
    folder = Path(root) / "synth"
    made = [folder / split / cache.MANIFEST for split in SPLITS]
    if not all(path.exists() for path in made):
        if parts.rank() == 0:
            print(f"making the synth data set in {folder} (once, some minutes, 2 GB)", file=sys.stderr)
        make(folder, synth.Settings(), Encoding(codec))
    _require_codec(folder, codec)
    return folder


def make(
    out: Path,
    settings: synth.Settings,
    encoding: Encoding,
    source: Path | None = None,
    workers: int | None = None,
    strict: bool = False,
    shard_clips: int | None = None,
) -> None:
    """Render synth data to `source` (by default `out/source`) and prepare it in `out`; prints the reports."""
    source = source or out / "source"
    synth.render(settings, source, workers)
    report = Report(strict)
    files = synth.scan(source, report)
    show(report, "files")
    show(prepare.prepare(files, out, source, "synth", encoding, report, workers, shard_clips), "clips")


def show(report: Report, unit: str) -> None:
    """Print the report, once for all ranks."""
    if parts.rank() == 0:
        print("\n".join(report.lines(unit)), file=sys.stderr)


def _require_codec(folder: Path, name: str) -> None:
    fingerprint = codecs.load(name).fingerprint
    for split in SPLITS:
        made = cache.read_manifest(folder / split)["codec"]
        if made["fingerprint"] != fingerprint:
            raise UserError(
                f"{folder / split}: made with another codec ('{made['name']}', {made['fingerprint'][:12]}); "
                f"delete {folder} or use another folder"
            )
