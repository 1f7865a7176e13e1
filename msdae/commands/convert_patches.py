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
    parser.add_argument(
        "patches", type=Path, help="a patch, or a folder of patches such as Debian's freepats"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write the SFZ files to")
    options = parser.parse_args(argv)
    from msdae.synthesis import gus

    source = options.patches
    inside = sorted(path for path in source.glob("*") if path.suffix.lower() == ".pat")
    paths = [source] if source.is_file() else inside
    if not paths:
        raise UserError(f"{printable(source)}: no patches (.pat) in it; give a folder with some, or one file")
    written = [gus.convert(path, options.out) is not None for path in paths]
    print(f"wrote {sum(written)} of {len(paths)} instruments to {options.out}")
