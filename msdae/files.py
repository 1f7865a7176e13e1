"""Reading and writing files safely.

An error becomes one line with the file, the reason and the fix. A file appears complete or not at all. What a
killed process left half-written is removed when the next process writes to that folder.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import struct
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from msdae.errors import UserError, of_system, printable

try:
    import fcntl
except ImportError:  # on Windows nothing is locked, and what killed processes left stays
    fcntl = None

LARGEST = 1 << 30  # bytes of a text file; NSynth's examples.json has a fifth of that
LARGEST_LINES = 4 << 30  # bytes of a file of JSON lines; a million clips with notes take a quarter of that
LARGEST_YAML = 4 << 20  # bytes of a YAML file
DEEPEST, LONGEST = 100, 10_000  # in YAML: levels of nesting, characters of a value
BOOL = "tag:yaml.org,2002:bool"
_DAMAGE = (  # errors that parsers raise for damaged content
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError, EOFError, SyntaxError),
    *(RuntimeError, yaml.YAMLError, zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError),
)
PARTIAL = ".msdae."  # prefix of the names of files that are still being written
_writing: set[str] = set()  # names of the partial files of this process
_swept: set[str] = set()  # folders that this process has cleaned


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Reads plain values, with the C library if there is one; no and on are strings, as in YAML 1.2."""

    yaml_implicit_resolvers = {
        first: [(tag, form) for tag, form in forms if tag != BOOL]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(BOOL, re.compile("(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


# -- reading


@contextmanager
def reading(path: str | Path, fix: str = "") -> Iterator[None]:
    """Turn errors of reading or parsing `path` inside the block into a UserError about it.

    fix: what to do if its content is wrong; errors of the system have their own (`errors.FIXES`).
    """
    try:
        yield
    except UserError:
        raise
    except RecursionError as error:
        raise UserError(f"{printable(path)}: nested too deeply; {fix}") from error
    except (OSError, MemoryError, *_DAMAGE) as error:
        if (said := of_system(error, path)) is not None:
            raise said from error
        wrong = isinstance(error, (TypeError, AttributeError))  # their messages are about the program
        reason = "a value of another type" if wrong else " ".join(printable(error).split())
        reason = re.sub(r"<\S+ object at 0x\w+>", "an object", reason) or type(error).__name__
        raise UserError(f"{printable(path)}: damaged ({reason[:200]}); {fix}") from error


def read_text(path: str | Path, fix: str = "give a text file", largest: int = LARGEST) -> str:
    """The UTF-8 text of a regular file.

    fix: what to do if there is no such text, for the error.

    Raises:
        UserError: the file is missing, not a regular file, not UTF-8 text, or larger than `largest` bytes.
    """
    with reading(path, fix):
        _check_text(Path(path), fix, largest)
        return Path(path).read_text("utf-8")


def _check_text(path: Path, fix: str, largest: int) -> None:
    if path.exists() and not path.is_file():
        raise UserError(f"{printable(path)}: is not a file; {fix}")
    if path.stat().st_size > largest:
        raise UserError(f"{printable(path)}: larger than {largest >> 20} MB; {fix}")


def digest(path: str | Path) -> str:
    """A hash of a file's bytes: 16 hexadecimal digits of its SHA-256.

    Raises:
        UserError: the file cannot be read.
    """
    hashed = hashlib.sha256()
    with reading(path), open(path, "rb") as file:
        while block := file.read(1 << 20):
            hashed.update(block)
    return hashed.hexdigest()[:16]


def read_json(path: str | Path, kind: type = dict, fix: str = "make it again") -> Any:
    """The JSON value in a file; raises as `read_text`, and if it is damaged or not of type `kind`."""
    with reading(path, fix):
        return _typed(path, json.loads(read_text(path, fix)), kind, fix)


def read_json_lines(path: str | Path, fix: str = "make it again") -> list[dict[str, Any]]:
    """The JSON objects of a file, one per line; raises as `read_json`."""
    with reading(path, fix):
        _check_text(Path(path), fix, LARGEST_LINES)
        with open(path, encoding="utf-8") as lines:
            return [_typed(path, json.loads(line), dict, fix) for line in lines]


def read_yaml(path: str | Path, fix: str = "write it as 'key: value' lines") -> dict[str, Any]:
    """The mapping in a YAML file, {} if it is empty.

    Raises:
        UserError: as `read_text`; the text is not a mapping, or no YAML that `parse_yaml` takes.
    """
    with reading(path, fix):
        value = parse_yaml(read_text(path, fix, LARGEST_YAML))
        return _typed(path, {} if value is None else value, dict, fix)


def parse_yaml(text: str) -> Any:
    """The value of a YAML text without aliases and custom tags.

    Without aliases, a few lines cannot expand to gigabytes.

    Raises:
        yaml.YAMLError, ValueError: the text is no such YAML, is nested deeper than `DEEPEST` levels, or has a
            value longer than `LONGEST`.
    """
    depth = 0
    for event in yaml.parse(text, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"an alias (*{event.anchor}); write the value out")
        if depth > DEEPEST or isinstance(event, yaml.ScalarEvent) and len(event.value) > LONGEST:
            raise yaml.YAMLError("nested too deeply, or a value that is too long")
    return yaml.load(text, _Loader)


def _typed(path: str | Path, value: Any, kind: type, fix: str) -> Any:
    if not isinstance(value, kind):
        named = {dict: "names with values", list: "a list"}.get(kind, kind.__name__)
        raise UserError(f"{printable(path)}: expected {named}, got {str(value)[:60]!r}; {fix}")
    return value


# -- what may be written


def check_replaceable(path: str | Path) -> None:
    """Raise a UserError if no file can be written at `path`.

    There is a folder, a device or anything else that is not a regular file, or the folder that it lies in is
    missing or not writable.
    """
    path = Path(path)
    with reading(path):
        with suppress(FileNotFoundError):
            path.stat()  # raises if the name is too long or links lead in a circle
        if path.is_dir():
            raise UserError(f"{printable(path)}: is a folder; give the name of a file in it")
        if path.exists() and not path.is_file():
            raise UserError(f"{printable(path)}: is no regular file, and is not replaced; choose another")
        if not path.parent.is_dir():
            raise UserError(f"{printable(path)}: the folder {printable(path.parent)} does not exist; make it")
    with reading(path.parent), tempfile.TemporaryFile(dir=path.parent):
        pass


def check_ending(path: Path, ending: str) -> None:
    """Raise a UserError unless the name of an output file ends with `ending`, its only format."""
    if path.suffix.lower() != ending:
        raise UserError(f"{printable(path)}: it is written as {ending}; give a name that ends so")


def check_apart(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raise a UserError if an output is the same file as an input, under whatever name."""
    read = list(inputs)
    for output in outputs:
        if any(_same(output, path) for path in read):
            raise UserError(f"{printable(output)}: is also an input; choose another output file")


def _same(one: Path, other: Path) -> bool:
    with suppress(OSError):
        if os.path.samefile(one, other):
            return True
    return os.path.realpath(one) == os.path.realpath(other)


def make_folder(path: str | Path) -> None:
    """Make the folder `path`, with its parents, unless it exists.

    Raises:
        UserError: it cannot be made.
    """
    with reading(path):
        Path(path).mkdir(parents=True, exist_ok=True)


# -- writing


@contextmanager
def about(path: str | Path) -> Iterator[None]:
    """Turn system errors inside the block that name no file, or a partial one, into errors about `path`."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        named = str(getattr(error, "filename", None) or PARTIAL)
        if PARTIAL not in named or (said := of_system(error, path)) is None:
            raise
        raise said from error


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary file beside `path` that replaces it when the block ends without an error.

    A process killed at any moment leaves either the old file or the new one, never a part; the next process
    that writes to this folder removes the temporary file.

    Raises:
        UserError: what is at `path` is not a regular file, and is not replaced; or the system cannot write.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise UserError(f"{printable(path)}: is no regular file, and is not replaced; choose another")
    with _partial(path) as temporary:
        open(temporary, "xb").close()
        mode = temporary.stat().st_mode  # writers that replace the file make a private one
        with _held(temporary, os.O_RDWR):
            yield temporary
            with open(temporary, "r+b") as file:
                os.fsync(file.fileno())
            temporary.chmod(mode)
            os.replace(temporary, path)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield a new empty folder that is renamed to `folder` when the block ends without an error.

    A `folder` that another process, at the same work, has made meanwhile stays, and the new one is removed.
    """
    with _partial(folder) as temporary:
        temporary.mkdir()
        with _held(temporary, os.O_RDONLY):
            yield temporary
            try:
                temporary.rename(folder)
            except OSError:
                if not folder.exists():
                    raise


@contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; whatever is still there when the block ends is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent)
    temporary = path.parent / f"{PARTIAL}{os.getpid()}.{secrets.token_hex(6)}{path.suffix}"
    _writing.add(temporary.name)
    try:
        with about(path):
            yield temporary
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
        _writing.discard(temporary.name)


@contextmanager
def _held(path: Path, flags: int) -> Iterator[None]:
    """Lock a file or folder inside the block; if the process dies, the lock ends with it.

    On Windows, which has no such locks and cannot open folders, this does nothing.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(path, flags)
    lock(handle)
    try:
        yield
    finally:
        os.close(handle)


def lock(handle: int, wait: bool = False) -> bool | None:
    """Lock an open file or folder until it is closed; True if that worked.

    wait: whether to wait for another process that holds the lock; otherwise the result is False then.

    Returns None where there are no locks: on Windows, and on some network file systems.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _sweep(folder: Path) -> None:
    """Remove what killed processes left half-written in `folder`; each process does so once per folder."""
    if fcntl is None or (place := os.path.realpath(folder)) in _swept:
        return
    _swept.add(place)
    with suppress(OSError):
        names = [entry.name for entry in os.scandir(folder) if entry.name.startswith(PARTIAL)]
        for name in names:
            if name not in _writing:
                _remove_partial(folder / name)


def _remove_partial(path: Path) -> None:
    if _is_alive(path.name.removeprefix(PARTIAL).partition(".")[0]):
        return
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            if lock(handle):  # if not, a process of another machine is still writing it
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        finally:
            os.close(handle)


def _is_alive(process: str) -> bool:
    """Whether another process of this machine has the number `process`."""
    if not process.isdecimal() or int(process) == os.getpid():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
