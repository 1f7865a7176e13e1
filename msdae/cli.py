"""What every command line shares: a parser, device choice and the exit code of bad input."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from msdae.checkpoint import WEIGHTS
from msdae.errors import UserError
from msdae.nn.device import device

__all__ = ["add_codec", "add_device", "device", "named", "parser", "run"]


def parser(description: str, example: str) -> argparse.ArgumentParser:
    """A parser whose --help shows defaults and ends with an example."""
    return argparse.ArgumentParser(
        description=description,
        epilog=f"example:\n  {example}",
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Defaults in the help where there are any, line breaks of the example kept."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return super()._get_help_string(action) if action.default not in (None, False, []) else action.help


def add_device(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")


def add_codec(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument(
        "--codec", help="codec or its file; by default the one that belongs to the checkpoint"
    )


def named(arguments: Sequence[str], reserved: Iterable[str] = ()) -> dict[str, str]:
    """{name: value} of "NAME=VALUE" or "VALUE", which is called by its file's name or, of a run, its folders'.

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
    folder = path.parent if path.name == WEIGHTS else path
    if folder.name.startswith("stage") and folder.parent.name:
        return f"{folder.parent.name} {folder.name}"
    return folder.stem if folder.suffix == ".safetensors" else folder.name


def run(main: Callable[[], None]) -> None:
    """Call `main`; a UserError becomes one line on standard error and exit code 2."""
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
