"""Write Gravis Ultrasound patches as SFZ files, which play as samples."""

from collections.abc import Sequence
from pathlib import Path

from msdae import cli
from msdae.errors import UserError, printable


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "convert-patches",
        "Write the Gravis Ultrasound patches (.pat) in a folder as SFZ files with WAVs beside, for\n"
        "prepare_data.py --samples. Struck and plucked instruments ring as recorded; of those whose\n"
        "samples are shorter than a second nothing is written.",
        "/usr/share/midi/freepats/Tone_000 --out data/samples/freepats",
    )
    parser.add_argument("patches", type=Path, help="folder, e.g. of Debian's package freepats, or one file")
    parser.add_argument("--out", type=Path, required=True, help="folder of the SFZ files")
    options = parser.parse_args(argv)
    from msdae.synthesis import gus

    source = options.patches
    inside = sorted(path for path in source.glob("*") if path.suffix.lower() == ".pat")
    paths = [source] if source.is_file() else inside
    if not paths:
        raise UserError(f"{printable(source)}: no patches (.pat) in it; give a folder with some, or one file")
    written = [gus.convert(path, options.out) is not None for path in paths]
    print(f"wrote {sum(written)} of {len(paths)} instruments to {options.out}")
