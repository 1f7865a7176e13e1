"""What every command line shares: its parser and options, checks of outputs, log lines and exit codes.

Nothing heavy is imported before a command line asks for it, so that `msdae --help` answers at once.
"""

import argparse
import atexit
import dataclasses
import gc
import logging
import os
import re
import shlex
import signal
import sys
import threading
import time
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

from tqdm import tqdm

from msdae import files, launcher
from msdae.errors import UserError, of_system, printable
from msdae.limits import COUNT, Choice, Range, ranges, unlike

if TYPE_CHECKING:
    from msdae.audio import Recording
    from msdae.audio.windows import Source
    from msdae.inference.pipeline import Mix, Pipeline, Sampling
    from msdae.inference.sources import PlayedScore

# Read by torch, which is imported later: threads that spin while they wait take a core from other processes,
# and beside one busy process, work would take several times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
Config = TypeVar("Config")
_FIRST_SPEAKS = 10.0  # seconds that other processes hold back an error, until the first one's ends them
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
    """What a user types to run the command `name` again. argv: its arguments; None: those of this process."""
    return f"{program(name)} {shlex.join(sys.argv[1:] if argv is None else argv)}".strip()


def parser(name: str, description: str, example: str) -> argparse.ArgumentParser:
    """The parser of the command `name`, whose --help shows defaults and ends with an example.

    example: arguments; the name of the program is put before them.
    """
    return _Parser(
        prog=program(name),
        description=description,
        epilog=f"example:\n  {program(name)} {example}".rstrip(),
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )


class _Parser(argparse.ArgumentParser):
    """A parser that raises a UserError for wrong arguments, so that they are printed as one line."""

    def error(self, message: str) -> NoReturn:
        message = re.sub(r"'([^']{60})[^']+'", r"'\1...'", message)
        raise UserError(f"{printable(message)}; {self.prog} --help shows what there is")


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows defaults other than None, False and [] in the help, and keeps the line breaks of the example."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return super()._get_help_string(action) if action.default not in (None, False, []) else action.help


def run(main: Callable[[], None]) -> None:
    """Call `main` and end the process with the exit code of a command line.

    A UserError or a system error (no space, memory or permission) is printed as one line: exit code 2. Ctrl-C
    gives 130 and SIGTERM 143, after half-written files are removed; a closed pipe gives 1.
    """
    if sys.stdout is not None:  # None if it was closed
        sys.stdout.reconfigure(errors="backslashreplace")  # for file names that are not UTF-8
    _show_log()
    atexit.register(gc.freeze)  # spares the last garbage collection, a fifth of a second with torch
    threading.excepthook = _ended_thread
    signal.signal(signal.SIGTERM, launcher.terminate)
    launcher.watch()
    try:
        main()
        print(end="", flush=True)
    except BrokenPipeError:  # as after `| head`: nobody reads what is still to be printed
        _leave_stdout()
        sys.exit(1)
    except KeyboardInterrupt:
        _end("stopped", 130)
    except SystemExit as end:
        if end.code:
            launcher.leave()
        raise
    except Exception as error:
        launcher.end_if_terminated()
        if (said := of_system(error)) is None:
            raise
        time.sleep(_FIRST_SPEAKS if os.environ.get("LOCAL_RANK", "0") != "0" else 0)
        _end(f"error: {printable(said)}", 2)


def _end(text: str, code: int) -> NoReturn:
    tqdm.write(text, file=sys.stderr)
    try:
        print(end="", flush=True)
    except OSError:  # a full disk; Python would try to print again at exit
        _leave_stdout()
    launcher.leave()
    sys.exit(code)


def _leave_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _ended_thread(end: threading.ExceptHookArgs) -> None:
    """Print no system error of a thread, as TensorBoard's: it reaches the main thread, which prints it."""
    if end.exc_value is None or of_system(end.exc_value) is None:
        threading.__excepthook__(end)


class _Plain(logging.Handler):
    """Log records as plain lines on standard error, above progress bars."""

    def emit(self, record: logging.LogRecord) -> None:
        with tqdm.external_write_mode(file=sys.stderr):
            print(self.format(record), file=sys.stderr, flush=True)


def _show_log() -> None:
    """Print what the library logs at level INFO and above."""
    log = logging.getLogger("msdae")
    log.setLevel(logging.INFO)
    log.propagate = False  # packages that set up the root logger would show every line twice
    if not any(isinstance(handler, _Plain) for handler in log.handlers):
        log.addHandler(_Plain())


def note(text: str) -> None:
    """Print one line that is not a result, on standard error."""
    print(f"note: {text}", file=sys.stderr)


def numbers(kind: type, limit: Range = Range()) -> Callable[[str], tuple]:
    """An argparse type: comma-separated numbers in the range `limit`."""

    def parse(text: str) -> tuple:
        return tuple(map(ranged(limit, kind), text.split(",")))

    parse.__name__ = f"comma-separated list of {kind.__name__}"
    return parse


def ranged(limit: Range | Choice, kind: type = int) -> Callable[[str], Any]:
    """An argparse type: a value of type `kind` in `limit`."""

    def parse(text: str) -> Any:
        value = kind(text)
        if value not in limit:
            raise argparse.ArgumentTypeError(unlike(text, limit))
        return value

    parse.__name__ = kind.__name__
    return parse


positive = ranged(COUNT)


def add_checkpoints(arguments: argparse.ArgumentParser, nargs: str = "+") -> None:
    """Add --checkpoint, which takes several models. nargs: "*" if it may also take none."""
    arguments.add_argument(
        "--checkpoint",
        nargs=nargs,
        default=["embedded"],
        metavar="[NAME=]PATH",
        help="models to compare: 'embedded' (ships with msdae), files, folders or hub ids",
    )


def add_model(arguments: argparse.ArgumentParser) -> None:
    """Add --checkpoint, --codec, --device and --threads."""
    what = "the model: 'embedded' (ships with msdae), a file, a folder or a hub id"
    arguments.add_argument("--checkpoint", default="embedded", help=what)
    add_codec(arguments)
    add_device(arguments)


def add_device(arguments: argparse.ArgumentParser) -> None:
    """Add --device and --threads."""
    arguments.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    add_threads(arguments)


def add_threads(arguments: argparse.ArgumentParser) -> None:
    """Add --threads, which takes effect as soon as it is parsed."""
    arguments.add_argument(
        "--threads", type=_threads, metavar="N", help="CPU threads to use (default: one per core)"
    )


def _threads(text: str) -> int:
    import torch

    launcher.threads = ranged(Range(1, os.cpu_count() or 1, reason="the cores of this machine"))(text)
    torch.set_num_threads(launcher.threads)
    return launcher.threads


_threads.__name__ = "int"


def add_codec(arguments: argparse.ArgumentParser) -> None:
    """Add --codec, the codec of a model."""
    arguments.add_argument("--codec", help="codec name or file (default: the one the model was trained on)")


def named(arguments: Sequence[str], reserved: Iterable[str] = ()) -> dict[str, str]:
    """{name: value} of "NAME=VALUE" arguments; a "VALUE" alone is named after its file or run folders.

    reserved: names that may not be used.

    Raises:
        UserError: a name is given twice, is reserved or cannot be the name of a file.
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
    """A model's name: "hdae stage1" of runs/hdae/stage1[/model.safetensors], "mine" of mine.safetensors."""
    folder = path.parent if path.name == "model.safetensors" else path
    if folder.name.startswith("stage") and folder.parent.name:
        return f"{folder.parent.name} {folder.name}"
    return folder.stem if folder.suffix == ".safetensors" else folder.name


def add_set(arguments: argparse.ArgumentParser, about: str) -> None:
    """Add --set KEY=VALUE, which may be given several times. about: its help."""
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=about)


def add_config(
    arguments: argparse.ArgumentParser,
    kind: type,
    only: Iterable[str] = (),
    choices: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Add an option for each field of the dataclass `kind`, with the field's name, type and default.

    Its help is the paragraph of the dataclass's docstring that begins with "name: ".

    Args:
        only: names of the fields; by default all.
        choices: {field: the only values that its option takes}.
    """
    hints, about = typing.get_type_hints(kind, include_extras=True), _described(kind)
    for field in dataclasses.fields(kind):
        if only and field.name not in only:
            continue
        expected = "".join(f" ({limit})" for limit in ranges(hints[field.name]))
        about_field = f"{about.get(field.name, '')}{expected}".strip()
        option = {"default": field.default, "help": about_field or None, **_type(hints[field.name])}
        if choices and field.name in choices:
            option["choices"] = list(choices[field.name])
        arguments.add_argument(f"--{field.name.replace('_', '-')}", **option)


def configured(kind: type[Config], options: argparse.Namespace, **others: Any) -> Config:
    """The dataclass `kind` from the options of `add_config`. others: values of fields without an option."""
    fields = {field.name for field in dataclasses.fields(kind)}
    return kind(**({name: value for name, value in vars(options).items() if name in fields} | others))


def _type(hint: Any) -> dict[str, Any]:
    """The arguments of `add_argument` for a field's type."""
    limits = ranges(hint)
    while typing.get_origin(hint) is Annotated or type(None) in typing.get_args(hint):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    if typing.get_origin(hint) is tuple:
        kind = typing.get_args(hint)[0]
        kind = typing.get_args(kind)[0] if typing.get_origin(kind) is Annotated else kind
        return {"type": numbers(kind, *limits), "metavar": "N[,N]" if kind is int else "W[,W]"}
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    return {"type": ranged(limits[0], hint) if limits else hint}


def _described(kind: type) -> dict[str, str]:
    """{field: text} of the paragraphs "field: text" in the docstring of a dataclass."""
    names = "|".join(re.escape(field.name) for field in dataclasses.fields(kind))
    pieces = re.split(rf"^\s*({names}):\s", kind.__doc__ or "", flags=re.MULTILINE)
    texts = (re.split(r"\n\s*\n|\n\s*\w+:\n", piece)[0] for piece in pieces[2::2])
    return {name: " ".join(text.split()).rstrip(".") for name, text in zip(pieces[1::2], texts, strict=True)}


def check_outputs(outputs: Collection[Path], plot: Path | None, inputs: Iterable["Recording"]) -> None:
    """Raise a UserError, before any work, for output files that cannot be written or are inputs."""
    from msdae import audio

    for output in outputs:
        audio.check_writable(output)
    if plot is not None:
        from msdae.evaluation.figures import check_plot

        check_plot(plot)
    files.check_apart([*outputs, *([plot] if plot else [])], [recording.path for recording in inputs])


def add_sampling(arguments: argparse.ArgumentParser, without: Collection[str] = ()) -> None:
    """Add the options of `add_model` and of `Sampling`. without: fields that have no effect and no option."""
    from msdae.diffusion import SAMPLERS
    from msdae.inference.settings import Sampling

    add_model(arguments)
    fields = [field.name for field in dataclasses.fields(Sampling) if field.name not in without]
    add_config(arguments, Sampling, fields, choices={"sampler": list(SAMPLERS)})


def add_out(arguments: argparse.ArgumentParser, default: str) -> None:
    """Add --out, the sound file to write."""
    arguments.add_argument("--out", type=Path, default=Path(default), help="the result: .wav, .flac or .ogg")


def add_plot(arguments: argparse.ArgumentParser, shown: str = "the log-mels") -> None:
    """Add --plot, a picture to draw. shown: what it shows, for the help."""
    about = f"a picture of {shown}: .png, .pdf or .svg"
    arguments.add_argument("--plot", type=Path, metavar="FILE", help=about)


def sampling(options: argparse.Namespace) -> "Sampling":
    """The `Sampling` that the options of `add_sampling` ask for."""
    from msdae.inference.settings import Sampling

    return configured(Sampling, options)


def pipeline(options: argparse.Namespace) -> "Pipeline":
    """The pipeline that the options of `add_sampling` ask for."""
    from msdae.inference.pipeline import Pipeline

    return Pipeline.from_pretrained(options.checkpoint, options.device, sampling(options), options.codec)


def open_source(path: str | Path) -> "Recording | PlayedScore":
    """Open the recording, or the score to be played, at `path`; note it if several channels are averaged."""
    from msdae.inference.sources import mixed_down, open_sound

    recording = open_sound(path)
    if recording.channels > 1:
        note(f"{path}: {mixed_down(recording)}")
    return recording


def render(renderer: "Pipeline", mix: "Mix", output: Path) -> None:
    """Render `mix` to `output` with a progress bar and print what was written."""
    say_written(output, mix.melody, renderer.render_file(mix, output, tqdm).limited)


def say_written(output: Path, source: Any, quieter: bool, than: str = "the melody source") -> None:
    """Print that a rendering as long as `source` was written; note if it is `quieter` than it should be."""
    if quieter:
        note(f"{output}: quieter than {than}, whose loudness would take over 6 dB off its peaks")
    print(f"wrote {output} ({source.samples / source.sample_rate:.2f} s)")


def plot(path: Path | None, sources: "dict[str, Source]") -> None:
    """Draw the log-mels of `sources` to `path` and print its name; do nothing if it is None."""
    if path is not None:
        from msdae.evaluation.figures import plot_log_mels

        plot_log_mels(path, sources)
        print(f"wrote {path}")
