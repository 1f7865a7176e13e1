"""Registries: what a package offers several of, such as codecs, samplers, models or data sets, by name."""

import difflib
import importlib
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from msdae.errors import UserError, printable

EXTENSIONS = "MSDAE_IMPORT"  # environment variable: Python files that register entries, listed as in PATH
Entry = TypeVar("Entry")
_imported: set[str] = set()


class Registry(Generic[Entry]):
    """Entries by name. Each registers itself in the file that defines it, so that a new one is one new file.

    The names are found by searching the files for `@CODECS.register("name")`, for the noun "codec"; the files
    are imported when an entry is asked for. The user's own files, which the environment variable MSDAE_IMPORT
    names, are imported first.

    Args:
        noun: what an entry is, for error messages.
        package: dotted name of the package whose modules register entries.
        named: the attribute of an entry that is its name too, by which files call it; "" where none is.
    """

    def __init__(self, noun: str, package: str, named: str = ""):
        self.noun, self.package, self.named = noun, package, named
        self._entries: dict[str, Entry] = {}
        self._complete = False

    def register(self, name: str) -> Callable[[Entry], Entry]:
        """Decorator: offer the class or function under `name`; one that is defined again replaces itself.

        Raises:
            UserError: another entry has the name, or the entry calls itself by another one.
        """

        def add(entry: Entry) -> Entry:
            own = getattr(entry, self.named, name) if self.named else name
            if isinstance(own, str) and own != name:
                raise UserError(
                    f"{self.noun} '{name}': its class calls itself {own!r}, as which its files would be "
                    f'read; write {self.named} = "{name}" into it'
                )
            other = self._entries.get(name, entry)
            if _place(other) != _place(entry):
                places = " and of ".join(getattr(one, "__module__", "?") for one in (other, entry))
                raise UserError(f"{self.noun} '{name}': is the name of one of {places}; choose another")
            self._entries[name] = entry
            return entry

        return add

    def __getitem__(self, name: str) -> Entry:
        """The entry called `name`.

        Raises:
            UserError: there is no such entry; the nearest name is proposed.
        """
        self._import()
        if name not in self._entries:
            near = difflib.get_close_matches(name, self._entries, n=1)
            raise UserError(
                f"{self.noun} '{name}': choose one of {', '.join(self)}"
                + (f"; did you mean '{near[0]}'?" if near else "")
            )
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._names()))

    def __len__(self) -> int:
        return len(self._names())

    def __contains__(self, name: object) -> bool:
        return name in self._names()

    def _names(self) -> set[str]:
        _import_extensions()
        if self._complete:
            return set(self._entries)
        registered = re.compile(rf'^@{self.noun.upper().replace(" ", "")}S\.register\("([^"]+)"\)', re.M)
        folders = getattr(importlib.import_module(self.package), "__path__", ())
        files = [file for folder in folders for file in Path(folder).glob("*.py")]
        texts = (file.read_text("utf-8") for file in files)
        return {*self._entries, *(name for text in texts for name in registered.findall(text))}

    def _import(self) -> None:
        _import_extensions()
        if self._complete:
            return
        self._complete = True  # before the imports, which may ask for entries
        try:
            package = importlib.import_module(self.package)
            for module in pkgutil.iter_modules(getattr(package, "__path__", ())):
                importlib.import_module(f"{self.package}.{module.name}")
        except BaseException:
            self._complete = False
            raise


def _place(entry: object) -> tuple[str, str | None]:
    """Where a class or function is defined: its name and its file."""
    module = sys.modules.get(getattr(entry, "__module__", ""))
    return getattr(entry, "__qualname__", ""), getattr(module, "__file__", None)


def _import_extensions() -> None:
    """Import the files that `EXTENSIONS` names, once per process.

    Raises:
        UserError: a file is missing, or has the name of another module. Errors of the files pass through.
    """
    for name in filter(None, os.environ.get(EXTENSIONS, "").split(os.pathsep)):
        if name in _imported:
            continue
        path = Path(name).resolve()
        if path.suffix != ".py" or not path.is_file():
            raise UserError(f"{EXTENSIONS}: {printable(name)}: no such Python file; check the path")
        _imported.add(name)  # before the import, which may call this again
        if str(path.parent) not in sys.path:
            sys.path.append(str(path.parent))
        try:
            module = importlib.import_module(path.stem)
        except BaseException:
            _imported.remove(name)
            raise
        if Path(getattr(module, "__file__", None) or "").resolve() != path:
            raise UserError(f"{EXTENSIONS}: {printable(name)}: another module is called so; rename it")
