"""The command `msdae` and its command lines, each of which is a module with `main(argv=None)`."""

import ast
import difflib
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

import msdae
from msdae import cli
from msdae.errors import UserError


def names() -> dict[str, str]:
    """{command: the first line of its module's docstring}, without importing the modules."""
    files = sorted(Path(__file__).parent.glob("[!_]*.py"))
    texts = {file.stem: ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "" for file in files}
    return {stem.replace("_", "-"): text.partition("\n")[0] for stem, text in texts.items()}


def overview() -> str:
    """The text that `msdae --help` prints."""
    commands = names()
    width = max(map(len, commands))
    lines = [f"  {name:{width}}  {text}" for name, text in commands.items()]
    title = "Take recordings apart into time scales and put them back together."
    return "\n".join([f"usage: msdae COMMAND ...\n\n{title}\n\ncommands:", *lines, "", _HINT])


_HINT = "msdae COMMAND --help says the rest, msdae --version the version."


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line that the first argument names with the other arguments."""
    name, *rest = (sys.argv[1:] if argv is None else argv) or ["--help"]
    cli.run(lambda: run(name, rest))


def run(name: str, argv: Sequence[str]) -> None:
    """Run the command line `name` with the arguments `argv`.

    Raises:
        UserError: there is no such command line; the message proposes the nearest name.
    """
    if name in ("-h", "--help"):
        print(overview())
        return
    if name == "--version":
        print(f"msdae {msdae.__version__}")
        return
    commands = names()
    if name not in commands:
        near = difflib.get_close_matches(name, commands, n=1)
        hint = f"did you mean 'msdae {near[0]}'? " if near else ""
        raise UserError(f"msdae {name}: no such command; {hint}msdae --help lists all")
    importlib.import_module(f"{__name__}.{name.replace('-', '_')}").main(argv)
