"""Names for the things that a package offers several of: codecs, samplers, models, data sets."""

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from msdae.errors import UserError

Entry = TypeVar("Entry")


class Registry(Generic[Entry]):
    """Entries by name. Each registers itself in the file that defines it, so that a new one is one new file.

    Args:
        noun: what an entry is, for error messages.
        package: dotted name of the package whose modules register entries; they are imported at first use.
    """

    def __init__(self, noun: str, package: str):
        self.noun, self.package = noun, package
        self._entries: dict[str, Entry] = {}
        self._complete = False

    def register(self, name: str) -> Callable[[Entry], Entry]:
        """Decorator: offer the class or function under `name`."""

        def add(entry: Entry) -> Entry:
            self._entries[name] = entry
            return entry

        return add

    def __getitem__(self, name: str) -> Entry:
        """The entry called `name`.

        Raises:
            UserError: there is none; the nearest name is proposed.
        """
        self._import()
        if name not in self._entries:
            near = difflib.get_close_matches(name, self._entries, n=1, cutoff=0.0)
            raise UserError(
                f"{self.noun} '{name}': choose one of {', '.join(self)}"
                + (f"; did you mean '{near[0]}'?" if near else "")
            )
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        self._import()
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        self._import()
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        self._import()
        return name in self._entries

    def _import(self) -> None:
        if self._complete:
            return
        self._complete = True  # before the imports, which may ask again
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(getattr(package, "__path__", ())):
            importlib.import_module(f"{self.package}.{module.name}")
