"""The rules of the house, read from the code's own syntax tree.

Rooms import only from rooms before them and in no circles; files and functions are short; tests lie where the
package's modules lie; the library does not print; every public name says what it is.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "msdae"

# A room is a module or folder of msdae; it imports from rooms of lines before its own, or of itself.
ROOMS = [
    ("errors", "lazy", "progress", "launcher"),
    ("files", "limits"),
    ("locks",),
    ("registry", "config", "folders", "checkpoint"),
    ("nn",),
    ("diffusion",),
    ("audio",),
    ("symbolic",),
    ("synthesis",),
    ("codecs",),
    ("models",),
    ("data",),
    ("training",),
    ("inference",),
    ("evaluation",),
    ("analysis",),
    ("app",),
    ("cli",),
    ("commands",),
    ("__main__",),
]
FILE_LINES, FUNCTION_LINES = 400, 60
OF_NO_MODULE = {
    "test_api.py",
    "test_extend.py",
    "test_notebooks.py",
    "test_packaging.py",
    "test_security.py",
    "test_structure.py",
    "golden/test_golden.py",
    "app/test_load.py",
    "app/test_recovery.py",
    "adversary/test_cases.py",
    "adversary/test_kills.py",
    "adversary/test_mutations.py",
    "adversary/test_processes.py",
}  # tests of the whole
SHOWING = ("cli", "commands", "progress")  # rooms that may print and show progress bars


@cache
def modules() -> dict[str, ast.Module]:
    """{dotted name: syntax tree} of the package."""
    return {_name(path): ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports() -> dict[str, set[str]]:
    """{module: modules of the package that it imports}, at its top or in a function.

    The package's own `__init__` names what is public and imports it lazily: it is no room.
    """
    names = {name for name in modules() if name != "msdae"}
    return {name: set(_imported(name, modules()[name], names)) - {name} for name in names}


def _imported(name: str, tree: ast.Module, names: set[str]) -> Iterator[str]:
    """`import a.b` imports a.b; `from a import b` imports a.b where that is a module, else a."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield from {inner if inner in names else node.module} & names


def room(module: str) -> str:
    """The part of the name after `msdae`; a folder's __main__ is of the last room, as the package's."""
    return "__main__" if module.endswith(".__main__") else module.split(".")[1]


def circles(graph: dict[str, set[str]]) -> set[str]:
    """Modules that import each other, directly or through others: "a b c", the members of a circle."""
    reach = {name: _reachable(name, graph) for name in graph}
    groups = (
        frozenset(other for other in targets if name in reach[other])
        for name, targets in reach.items()
        if name in targets
    )
    return {" ".join(sorted(group)) for group in groups}


def _reachable(start: str, graph: dict[str, set[str]]) -> set[str]:
    seen, waiting = set(), [start]
    while waiting:
        for target in graph[waiting.pop()] - seen:
            seen.add(target)
            waiting.append(target)
    return seen


def arrows(graph: dict[str, set[str]]) -> set[str]:
    """Imports against the order of rooms: "module -> module"."""
    order = {name: number for number, names in enumerate(ROOMS) for name in names}
    return {
        f"{name} -> {target}"
        for name, targets in graph.items()
        for target in targets
        if room(name) != room(target) and order[room(target)] >= order[room(name)]
    }


def sources() -> Iterator[Path]:
    for folder in ("msdae", "experiments", "probes"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def files() -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for path in sources()
        if len(path.read_text("utf-8").splitlines()) > FILE_LINES
    }


def functions() -> set[str]:
    return {
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _lines(node) > FUNCTION_LINES
    }


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function from its `def` on, without its docstring."""
    first = function.body[0]
    described = ast.get_docstring(function) is not None
    return function.end_lineno - function.lineno + 1 - described * (first.end_lineno - first.lineno + 1)


def unmirrored() -> set[str]:
    """Test files of no module: tests/ROOM/test_X.py is of msdae/ROOM/X, ROOM/test_ROOM.py of the room."""
    odd = set()
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        relative, stem = path.relative_to(ROOT / "tests"), path.stem.removeprefix("test_")
        folder = PACKAGE / relative.parent
        place = folder if folder.name == stem else folder / stem
        if not (place.exists() or place.with_suffix(".py").exists() or str(relative) in OF_NO_MODULE):
            odd.add(f"tests/{relative}")
    return odd


def prints() -> set[str]:
    """Modules of the library that call `print` (also an object's) or `tqdm`."""
    return {
        name
        for name, tree in modules().items()
        if name != "msdae" and room(name) not in SHOWING
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (getattr(node.func, "id", None) or getattr(node.func, "attr", None)) in ("print", "tqdm")
    }


def docstrings() -> set[str]:
    """Public functions, classes and methods without a docstring.

    Overrides of described methods need none, nor does `main` of a command line, which its module describes.
    """
    silent = {f"{name}.{label}" for name, tree in modules().items() for label in _silent(tree.body)}
    return {
        label for label in silent if not (label.startswith("msdae.commands.") and label.endswith(".main"))
    }


def _silent(body: list[ast.stmt], above: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            if ast.get_docstring(node) is None and not (above and node.name in _described()):
                yield above + node.name
            if isinstance(node, ast.ClassDef):
                yield from _silent(node.body, f"{above}{node.name}.")


@cache
def _described() -> set[str]:
    """Methods that some class describes, whose overrides need not say it again; and `forward`."""
    nodes = (node for tree in modules().values() for node in ast.walk(tree))
    classes = (node for node in nodes if isinstance(node, ast.ClassDef))
    methods = (node for kind in classes for node in kind.body if isinstance(node, ast.FunctionDef))
    return {"forward"} | {method.name for method in methods if ast.get_docstring(method)}


def test_every_module_is_in_a_room():
    known = {name for names in ROOMS for name in names}
    assert {room(name) for name in modules() if name != "msdae"} == known


RULES = {
    "circles": lambda: circles(imports()),
    "arrows": lambda: arrows(imports()),
    "files": files,
    "functions": functions,
    "tests": unmirrored,
    "prints": prints,
    "docstrings": docstrings,
}


@pytest.mark.parametrize("rule", RULES)
def test_the_house_is_in_order(rule):
    assert RULES[rule]() == set()


def test_circles_and_arrows_are_seen():
    graph = {"msdae.nn.a": {"msdae.nn.b"}, "msdae.nn.b": {"msdae.nn.c"}, "msdae.nn.c": {"msdae.nn.a"}}
    assert circles(graph) == {"msdae.nn.a msdae.nn.b msdae.nn.c"}
    assert arrows(graph) == set()
    assert arrows({"msdae.nn.a": {"msdae.errors", "msdae.data.b"}}) == {"msdae.nn.a -> msdae.data.b"}


def test_imports_are_seen_wherever_they_stand():
    tree = ast.parse(
        "import msdae.nn.unet\nfrom msdae import audio\ndef f():\n    from msdae.codecs.base import Codec"
    )
    names = {"msdae.nn.unet", "msdae.audio", "msdae.codecs.base", "msdae.codecs"}
    assert set(_imported("msdae.x", tree, names)) == {"msdae.nn.unet", "msdae.audio", "msdae.codecs.base"}
