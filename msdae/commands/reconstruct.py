"""One recording through the whole autoencoder: taken apart into codes and put together again."""

from pathlib import Path

from msdae import cli, commands
from msdae.inference.pipeline import Mix


def main() -> None:
    parser = cli.parser(
        "Reconstruct a recording from its own codes. The result is as long and as loud.",
        "python experiments/reconstruct.py a.wav --out y.wav",
    )
    parser.add_argument("recording", type=Path, help="wav, flac, ogg or mp3 file")
    commands.add_out(parser, "reconstruction.wav")
    commands.add_plot(parser)
    commands.add_sampling(parser)
    options = parser.parse_args()

    source = commands.open_source(options.recording)
    commands.check_outputs([options.out], options.plot, [source])
    commands.render(commands.pipeline(options), Mix(source), options.out)
    result = commands.open_source(options.out)
    commands.plot(
        options.plot, {options.recording.name: source, f"{options.out.name}: reconstruction": result}
    )


if __name__ == "__main__":
    cli.run(main)
