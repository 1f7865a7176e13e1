"""What every command line shares: its parser and options, checks of outputs, log lines and exit codes.

Nothing heavy is imported before a command line asks for it, so that `msdae --help` answers at once.
"""

import argparse
import dataclasses
import logging
import os
import re
import shlex
import sys
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm

from msdae.errors import UserError

if TYPE_CHECKING:
    from msdae.audio import Recording
    from msdae.audio.windows import Source
    from msdae.inference.pipeline import Mix, Pipeline, Sampling

Config = TypeVar("Config")
SCRIPTS = ("experiments", "probes")  # folders of a checkout whose scripts call the commands


def program(name: str) -> str:
    """How the command `name` was started: "msdae swap", or "python experiments/swap.py"."""
    started, script = Path(sys.argv[0]).absolute(), f"{name.replace('-', '_')}.py"
    if started.suffix == ".py" and started.parent.name in SCRIPTS:
        for folder in SCRIPTS:
            if (started.parents[1] / folder / script).exists():
                return f"python {folder}/{script}"
    return f"msdae {name}"


def command_line(name: str, argv: Sequence[str] | None) -> str:
    """What a user types to run the command `name` with `argv` again; None: the arguments of this process."""
    return f"{program(name)} {shlex.join(sys.argv[1:] if argv is None else argv)}".strip()


def parser(name: str, description: str, example: str) -> argparse.ArgumentParser:
    """The parser of the command `name`, whose --help shows defaults and ends with an example.

    example: arguments, to which the name of the program is added.
    """
    return argparse.ArgumentParser(
        prog=program(name),
        description=description,
        epilog=f"example:\n  {program(name)} {example}",
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Defaults in the help where there are any, line breaks of the example kept."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return super()._get_help_string(action) if action.default not in (None, False, []) else action.help


def run(main: Callable[[], None]) -> None:
    """Call `main`; a UserError becomes one line on standard error and exit code 2, Ctrl-C exit code 130."""
    _show_log()
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:  # as of `| head`; what is still to be printed has no reader
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)


class _Plain(logging.Handler):
    """Log records as plain lines on standard error, above progress bars."""

    def emit(self, record: logging.LogRecord) -> None:
        with tqdm.external_write_mode(file=sys.stderr):
            print(self.format(record), file=sys.stderr, flush=True)


def _show_log() -> None:
    """Show what the library logs from INFO on."""
    log = logging.getLogger("msdae")
    log.setLevel(logging.INFO)
    log.propagate = False  # packages that set up the root logger would show every line twice
    if not any(isinstance(handler, _Plain) for handler in log.handlers):
        log.addHandler(_Plain())


def note(text: str) -> None:
    """One line for the user that is not a result."""
    print(f"note: {text}", file=sys.stderr)


def numbers(kind: type) -> Callable[[str], tuple]:
    """An argparse type: comma-separated numbers."""

    def parse(text: str) -> tuple:
        return tuple(kind(part) for part in text.split(","))

    parse.__name__ = f"comma-separated list of {kind.__name__}"
    return parse


def positive(text: str) -> int:
    """An argparse type: an integer from 1 on."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def add_checkpoints(arguments: argparse.ArgumentParser, nargs: str = "+") -> None:
    """--checkpoint, models side by side. nargs: "*" where none is possible too."""
    arguments.add_argument(
        "--checkpoint",
        nargs=nargs,
        default=["embedded"],
        metavar="[NAME=]PATH",
        help="models side by side: 'embedded' (ships with msdae), files, folders or hub ids",
    )


def add_device(arguments: argparse.ArgumentParser) -> None:
    """--device."""
    arguments.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")


def add_codec(arguments: argparse.ArgumentParser) -> None:
    """--codec, of a model."""
    arguments.add_argument("--codec", help="codec or its file; by default the one that the checkpoint is of")


def named(arguments: Sequence[str], reserved: Iterable[str] = ()) -> dict[str, str]:
    """{name: value} of "NAME=VALUE" or "VALUE", whose name is its file's or, of a run, those of its folders.

    reserved: names that nothing may have.

    Raises:
        UserError: a name that is given twice, is reserved or cannot be a file's.
    """
    values: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if Path(argument).exists() or not equals:
            name, value = _name(Path(argument)), argument
        if not name or "/" in name or name in values or name in reserved:
            raise UserError(
                f"{argument}: '{name}' cannot be its name, or is one already; name it, as in NAME={value}"
            )
        values[name] = value
    return values


def _name(path: Path) -> str:
    """runs/hdae/stage1/model.safetensors or its folder: "hdae stage1"; mine.safetensors: "mine"."""
    folder = path.parent if path.name == "model.safetensors" else path
    if folder.name.startswith("stage") and folder.parent.name:
        return f"{folder.parent.name} {folder.name}"
    return folder.stem if folder.suffix == ".safetensors" else folder.name


def add_set(arguments: argparse.ArgumentParser, about: str) -> None:
    """--set KEY=VALUE, which may be given several times. about: its help."""
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=about)


def add_config(
    arguments: argparse.ArgumentParser,
    kind: type,
    only: Iterable[str] = (),
    choices: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """An option for each field of the dataclass `kind`: its name, type and default, helped by its docstring.

    The docstring describes a field in a paragraph that begins with "name: ".

    Args:
        only: names of fields; by default all.
        choices: {field: values}, the only ones that it takes.
    """
    hints, about = typing.get_type_hints(kind), _described(kind)
    for field in dataclasses.fields(kind):
        if only and field.name not in only:
            continue
        option = {"default": field.default, "help": about.get(field.name), **_type(hints[field.name])}
        if choices and field.name in choices:
            option["choices"] = list(choices[field.name])
        arguments.add_argument(f"--{field.name.replace('_', '-')}", **option)


def configured(kind: type[Config], options: argparse.Namespace, **others: Any) -> Config:
    """The dataclass `kind` from the options of `add_config`; others: fields that have no option."""
    fields = {field.name for field in dataclasses.fields(kind)}
    given = {name: value for name, value in vars(options).items() if name in fields}
    return kind(**{**given, **others})


def _type(hint: Any) -> dict[str, Any]:
    """The arguments of `add_argument` for a field's type."""
    if type(None) in typing.get_args(hint):
        [hint] = [part for part in typing.get_args(hint) if part is not type(None)]
    if typing.get_origin(hint) is tuple:
        kind = typing.get_args(hint)[0]
        letter = "N" if kind is int else "W"
        return {"type": numbers(kind), "metavar": f"{letter}[,{letter}]"}
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    return {"type": hint}


def _described(kind: type) -> dict[str, str]:
    """{field: text} of the paragraphs "field: text" in the docstring of a dataclass."""
    names = "|".join(re.escape(field.name) for field in dataclasses.fields(kind))
    pieces = re.split(rf"^\s*({names}):\s", kind.__doc__ or "", flags=re.MULTILINE)
    texts = (re.split(r"\n\s*\n|\n\s*\w+:\n", piece)[0] for piece in pieces[2::2])
    return {name: " ".join(text.split()).rstrip(".") for name, text in zip(pieces[1::2], texts, strict=True)}


def check_outputs(outputs: Iterable[Path], plot: Path | None, inputs: Iterable["Recording"]) -> None:
    """Raise a UserError, before any work, for output files that cannot be written or are inputs."""
    from msdae import audio
    from msdae.evaluation.figures import check_plot

    outputs = list(outputs)
    for output in outputs:
        audio.check_writable(output)
    if plot is not None:
        check_plot(plot)
    check_apart([*outputs, *([plot] if plot else [])], [recording.path for recording in inputs])


def check_apart(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raise a UserError for an output that is an input, by whatever name: what is read is not replaced."""
    read = {path.resolve() for path in inputs}
    for output in outputs:
        if output.resolve() in read:
            raise UserError(f"{output}: is also an input; choose another output file")


def make_folder(path: Path) -> None:
    """Make the folder `path` for results, if it is not there.

    Raises:
        UserError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be made ({error.strerror}); choose another folder") from error


def add_sampling(arguments: argparse.ArgumentParser) -> None:
    """--checkpoint, --codec, --device and the options of `Sampling`: how recordings are rendered."""
    from msdae.diffusion.samplers import SAMPLERS
    from msdae.inference.pipeline import Sampling

    arguments.add_argument(
        "--checkpoint", default="embedded", help="'embedded' (ships with msdae), a file, a folder or a hub id"
    )
    add_codec(arguments)
    add_config(arguments, Sampling, choices={"sampler": list(SAMPLERS)})
    add_device(arguments)


def add_out(arguments: argparse.ArgumentParser, default: str) -> None:
    """--out, a file of sound."""
    arguments.add_argument("--out", type=Path, default=Path(default), help="the result: .wav, .flac or .ogg")


def add_plot(arguments: argparse.ArgumentParser) -> None:
    """--plot, a picture."""
    arguments.add_argument(
        "--plot", type=Path, metavar="FILE", help="a picture of the log-mels: .png, .pdf or .svg"
    )


def add_levels(arguments: argparse.ArgumentParser, default: str) -> None:
    """--levels, those of the timbre source."""
    arguments.add_argument(
        "--levels",
        type=numbers(int),
        default=default,
        metavar="K[,K]",
        help="levels that come from the timbre source, 1 (coarse) to 3 (fine)",
    )


def sampling(options: argparse.Namespace) -> "Sampling":
    """The sampling that the options of `add_sampling` ask for."""
    from msdae.inference.pipeline import Sampling

    return configured(Sampling, options)


def pipeline(options: argparse.Namespace) -> "Pipeline":
    """The pipeline that the options of `add_sampling` ask for."""
    from msdae.inference.pipeline import Pipeline

    return Pipeline.from_pretrained(options.checkpoint, options.device, sampling(options), options.codec)


def open_source(path: str | Path) -> "Recording":
    """The recording in `path`; says so if it has several channels."""
    from msdae import audio

    recording = audio.open_recording(path)
    if recording.channels > 1:
        note(f"{path}: {recording.channels} channels are processed as their mean (mid)")
    return recording


def render(renderer: "Pipeline", mix: "Mix", output: Path) -> None:
    """Render `mix` to `output` with a progress bar and print what was written."""
    mastering = renderer.render_file(mix, output, tqdm)
    if mastering.limited:
        note(f"{output}: quieter than the melody source, to keep its peaks under -1 dBFS")
    print(f"wrote {output} ({mix.melody.samples / mix.melody.sample_rate:.2f} s)")


def plot(path: Path | None, sources: "dict[str, Source]") -> None:
    """Draw the log-mels of `sources` to `path` and print its name; nothing without a path."""
    if path is not None:
        from msdae.evaluation.figures import plot_log_mels

        plot_log_mels(path, sources)
        print(f"wrote {path}")
