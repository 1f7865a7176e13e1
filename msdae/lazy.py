"""Names that a package offers and imports at first use, so that importing the package takes no time."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def getter(package: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package (PEP 562).

    places: {name: "module" or "module:path"}, the module that the name stands for, or its attribute `path`.
    """

    def get(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        module, _, path = places[name].partition(":")
        value = importlib.import_module(module)
        for part in filter(None, path.split(".")):
            value = getattr(value, part)
        return value

    return get
