"""Which code a result follows from: a hash of modules, and of those that they import."""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import msdae

PACKAGE = Path(msdae.__file__).parent


def fingerprint(names: Iterable[str], with_imports: bool = False) -> str:
    """A hash of the source of modules and packages of msdae, "msdae.audio".

    with_imports: and of every module of msdae that they import, directly or through others, and of the
        package's assets.
    """
    modules = {module for name in names for module in _modules() if f"{module}.".startswith(f"{name}.")}
    paths = [_modules()[module] for module in sorted(_reached(modules) if with_imports else modules)]
    if with_imports:
        paths += sorted(path for path in (PACKAGE / "assets").iterdir() if path.is_file())
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.relative_to(PACKAGE).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _reached(modules: set[str]) -> set[str]:
    reached, waiting = set(modules), sorted(modules)
    while waiting:
        new = set(_imported(waiting.pop())) - reached
        reached |= new
        waiting += sorted(new)
    return reached


@cache
def _modules() -> dict[str, Path]:
    """{dotted name: file} of the package."""
    return {_name(path): path for path in PACKAGE.rglob("*.py")}


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(module: str) -> Iterator[str]:
    """The modules that a module imports anywhere, or whose package it names for a registry; the package's own
    `__init__`, which imports lazily, is none."""
    for node in ast.walk(ast.parse(_modules()[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Constant) and node.value in _modules() and node.value != "msdae":
            names = [name for name in _modules() if name.startswith(f"{node.value}.")]
        else:
            continue
        yield from (name for name in names if name in _modules() and name != "msdae")
