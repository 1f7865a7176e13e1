"""Take one recording apart into codes and put it together again."""

from collections.abc import Sequence
from pathlib import Path

from msdae import cli
from msdae.commands._arguments import FORMATS
from msdae.inference.settings import Mix


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "reconstruct",
        "Reconstruct a recording from its own codes. The result is as long and as loud.",
        "a.wav --out y.wav",
    )
    parser.add_argument("recording", type=Path, help=f"recording to reconstruct ({FORMATS})")
    cli.add_out(parser, "reconstruction.wav")
    cli.add_plot(parser)
    cli.add_sampling(parser, without=["dynamics"])
    options = parser.parse_args(argv)

    source = cli.open_source(options.recording)
    cli.check_outputs([options.out], options.plot, [source])
    cli.render(cli.pipeline(options), Mix(source), options.out)
    result = cli.open_source(options.out)
    cli.plot(options.plot, {options.recording.name: source, f"{options.out.name}: reconstruction": result})
