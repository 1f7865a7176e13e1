"""Analyse the maqam of a recording: tonic, nearest scales with quarter tones, ornaments."""

import json
from collections.abc import Sequence
from pathlib import Path

from msdae import cli, files
from msdae.commands._arguments import FORMATS
from msdae.limits import Range

ALPHA = Range(1, 120, reason="nothing is louder than the loudest")
SIGMA = Range(0, 50)


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "analyse-maqam",
        "Say on which tonic and in which of eight maqamat a melody is (rast, bayati, hijaz, saba, sikah,\n"
        "nahawand, ajam, kurd), which frequencies are strongest, where vibrato, slides and trills are.\n"
        "Any tuning, 3 seconds to an hour of one line. Needs pip install 'msdae[judges]'.",
        "a.wav --plot a.png",
    )
    parser.add_argument("recording", type=Path, help=f"recording of one melody ({FORMATS})")
    parser.add_argument("--json", action="store_true", help="print everything as JSON, frame by frame")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="also draw the analysis: .png, .pdf or .svg"
    )
    parser.add_argument(
        "--part",
        choices=("outer", "whole"),
        default="outer",
        help="read tonic and scale from the first and last third, or from the whole recording",
    )
    parser.add_argument(
        "--alpha",
        type=cli.ranged(ALPHA, float),
        default=40.0,
        help="frequencies up to so many dB below the loudest count",
    )
    parser.add_argument(
        "--sigma",
        type=cli.ranged(SIGMA, float),
        default=1.0,
        help="width of the spectrogram's smoothing, in cells",
    )
    options = parser.parse_args(argv)
    if options.plot is not None:
        from msdae.evaluation import figures

        figures.check_plot(options.plot)
        files.check_apart([options.plot], [options.recording])
    from msdae.analysis.maqam.recording import analyse

    analysis = analyse(options.recording, options.alpha, options.sigma, options.part == "outer")
    if options.plot is not None:
        from msdae.analysis.maqam.picture import draw

        draw(analysis, options.plot, options.recording.name)
    print(json.dumps(analysis.document()) if options.json else "\n".join(analysis.lines()))
    if options.plot is not None:
        cli.note(f"wrote {options.plot}")
