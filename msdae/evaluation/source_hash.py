"""Which code a result depends on: a hash of modules, and of those that they import."""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import msdae

PACKAGE = Path(msdae.__file__).parent


def fingerprint(names: Iterable[str], with_imports: bool = False) -> str:
    """A hash of the source code of modules and packages of msdae.

    names: dotted, such as "msdae.audio"; a package stands for all its modules.
    with_imports: include every module of msdae that they import, directly or indirectly, and the files of
        the package's assets.
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
    """The modules of msdae that a module imports anywhere.

    A string that is the dotted name of a package, as registries have it, counts as an import of its modules.
    `msdae/__init__.py`, which imports lazily, does not count.
    """
    imports, strings = _named(_modules()[module].read_text("utf-8"))
    packages = tuple(f"{name}." for name in strings if name in _modules() and name != "msdae")
    names = (*imports, *(name for name in _modules() if name.startswith(packages)))
    yield from (name for name in names if name in _modules() and name != "msdae")


@cache
def _named(source: str) -> tuple[list[str], list[str]]:
    """What source code may import, and its strings that may be the name of a package of msdae."""
    imports, strings = [], []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            imports += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Constant) and str(node.value).startswith("msdae."):
            strings.append(str(node.value))
    return imports, strings
