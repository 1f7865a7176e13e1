"""What every command line shares: a parser, device choice and the exit code of bad input."""

import argparse
import sys
from collections.abc import Callable

import torch

from msdae.errors import UserError


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


def device(name: str) -> torch.device:
    """The torch device for `name`; "auto" takes CUDA, then Apple's MPS, then the CPU."""
    if name == "auto":
        mps = torch.backends.mps.is_available()
        name = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    try:
        chosen = torch.device(name)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"--device {name}: not usable here ({reason}); use --device auto") from error
    return chosen


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
