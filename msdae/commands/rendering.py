"""What the command lines that render sound share: their options, their checks and what they print."""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from msdae import audio, cli
from msdae.audio.windows import Source
from msdae.diffusion.samplers import SAMPLERS
from msdae.errors import UserError
from msdae.evaluation.figures import check_plot, plot_log_mels
from msdae.inference.pipeline import ALIGNMENTS, Mix, Pipeline, Sampling


def add_sampling(arguments: argparse.ArgumentParser) -> None:
    """--checkpoint, --steps, --sampler, --guidance, --seed and --device."""
    default = Sampling()
    arguments.add_argument(
        "--checkpoint", default="embedded", help="'embedded' (ships with msdae), a file, a folder or a hub id"
    )
    arguments.add_argument("--codec", help="codec or its file; by default the one that the checkpoint names")
    arguments.add_argument("--steps", type=int, default=default.steps, help="sampling steps, 1 or more")
    arguments.add_argument("--sampler", choices=list(SAMPLERS), default=default.sampler, help="ODE solver")
    arguments.add_argument(
        "--guidance",
        type=numbers(float),
        default=None,
        metavar="W[,W,W]",
        help="guidance weight, one for all levels or one a level from coarse to fine; 1 is as trained "
        "(default: what the checkpoint says)",
    )
    arguments.add_argument("--seed", type=int, default=default.seed, help="the same seed, the same sound")
    cli.add_device(arguments)


def add_out(arguments: argparse.ArgumentParser, default: str) -> None:
    arguments.add_argument("--out", type=Path, default=Path(default), help="the result: .wav, .flac or .ogg")


def add_plot(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument(
        "--plot", type=Path, metavar="FILE", help="a picture of the log-mels: .png, .pdf or .svg"
    )


def add_align(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument(
        "--align",
        choices=ALIGNMENTS,
        default="loop",
        help="a source shorter than the melody source is repeated and a longer one cut (loop), "
        "or its codes are averaged over time (average)",
    )


def add_levels(arguments: argparse.ArgumentParser, default: str) -> None:
    arguments.add_argument(
        "--levels",
        type=numbers(int),
        default=default,
        metavar="K[,K]",
        help="levels that come from the timbre source, 1 (coarse) to 3 (fine)",
    )


def numbers(kind: type) -> Callable[[str], tuple]:
    """An argparse type: comma-separated numbers."""

    def parse(text: str) -> tuple:
        return tuple(kind(part) for part in text.split(","))

    parse.__name__ = f"comma-separated list of {kind.__name__}"
    return parse


def sampling(options: argparse.Namespace) -> Sampling:
    """The sampling that the options of `add_sampling` ask for."""
    return Sampling(options.steps, options.sampler, options.guidance, options.seed)


def pipeline(options: argparse.Namespace) -> Pipeline:
    """The pipeline that the options of `add_sampling` ask for."""
    return Pipeline.from_pretrained(options.checkpoint, options.device, sampling(options), options.codec)


def open_source(path: str | Path) -> audio.Recording:
    """The recording in `path`; says so if it has several channels."""
    recording = audio.open_recording(path)
    if recording.channels > 1:
        note(f"{path}: {recording.channels} channels are processed as their mean (mid)")
    return recording


def check_outputs(outputs: Iterable[Path], plot: Path | None, inputs: Iterable[audio.Recording]) -> None:
    """Raise a UserError, before any work, for output files that cannot be written or are inputs."""
    taken = {recording.path.resolve() for recording in inputs}
    for output in outputs:
        audio.check_writable(output)
        if output.resolve() in taken:
            raise UserError(f"{output}: is also an input; choose another output file")
    if plot is not None:
        check_plot(plot)


def make_folder(path: Path) -> None:
    """Make the folder `path` for results, if it is not there.

    Raises:
        UserError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be made ({error.strerror}); choose another folder") from error


def render(renderer: Pipeline, mix: Mix, output: Path) -> None:
    """Render `mix` to `output` with a progress bar and print what was written."""
    mastering = renderer.render_file(mix, output, description=output.name)
    if mastering.limited:
        note(f"{output}: quieter than the melody source, to keep its peaks under -1 dBFS")
    print(f"wrote {output} ({mix.melody.samples / renderer.codec.sample_rate:.2f} s)")


def plot(path: Path | None, sources: dict[str, Source]) -> None:
    """Draw the log-mels of `sources` to `path` and print its name; nothing without a path."""
    if path is not None:
        plot_log_mels(path, sources)
        print(f"wrote {path}")


def note(text: str) -> None:
    """One line for the user that is not a result."""
    print(f"note: {text}", file=sys.stderr)
