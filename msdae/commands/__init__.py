"""The command `msdae` and its command lines, one module each with `main(argv=None)`."""

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
    """{command: what it does, the first line of its module}; nothing is imported for it."""
    files = sorted(Path(__file__).parent.glob("[!_]*.py"))
    texts = {file.stem: ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "" for file in files}
    return {stem.replace("_", "-"): text.partition("\n")[0] for stem, text in texts.items()}


def overview() -> str:
    """What `msdae --help` shows."""
    commands = names()
    width = max(map(len, commands))
    lines = [f"  {name:{width}}  {text}" for name, text in commands.items()]
    title = "Take recordings apart into time scales and put them back together."
    return "\n".join([f"usage: msdae COMMAND ...\n\n{title}\n\ncommands:", *lines, "", _HINT])


_HINT = "msdae COMMAND --help says the rest, msdae --version the version."


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line that the first argument names with the arguments after it."""
    name, *rest = (sys.argv[1:] if argv is None else argv) or ["--help"]
    cli.run(lambda: run(name, rest))


def run(name: str, argv: Sequence[str]) -> None:
    """Run the command line `name`.

    Raises:
        UserError: there is none; the nearest name is proposed.
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
