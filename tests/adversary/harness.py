"""Cases as data: what is called, what lies in its folder, and what must happen. See `Case` and `check`."""

import hashlib
import os
import re
import resource
import shlex
import signal
import stat
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import library
import numpy as np
import soundfile

from msdae import commands
from msdae.errors import of_system, printable

LONGEST = 400  # characters of an error
SECONDS, BUSY = 20, 3.0  # of a case by the clock, and of processor time before an error
MEMORY, ROOM = 1 << 20, 2 << 30  # kB that a case may add, and bytes after which it gets no more
FORBIDDEN = ("Traceback", "<class ", "Errno", "NoneType", "object at 0x", "dtype(", "Error(", "Exception")
FIX = r";|expected|give |choose|did you mean|run |run:|make |take |needed|excludes?|required|must|name |use "
FIX += r"|at least|--help| to \d"


@dataclass(frozen=True)
class Case:
    """What is done and what must come of it.

    line: a command and its arguments; `@NAME` stands for a file of the library, which is put there.
    says: what the one line of error holds, a regular expression; empty: it ends well; None: either.
    writes: names of files that are there after it ended well; nothing else is new.
    leaves: patterns of files that may appear or change in any case.
    call: what is called instead of the command `line`, with the folder; `line` is its name then.
    seconds: length of the first file in `writes`, which has sound.
    """

    line: str
    says: str | None = ""
    writes: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    call: Callable[[Path], Any] | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        return printable(self.line)[:110].replace("/", ":")


def bad(line: str, rows: Iterable[tuple[str, str]], leaves: tuple[str, ...] = ()) -> list[Case]:
    """Cases that differ in what stands for `{}` in `line`: (argument, what is said of it)."""
    return [Case(line.replace("{}", argument), says, leaves=leaves) for argument, says in rows]


def calls(rows: Iterable[tuple[str, str | None, Callable[[Path], Any]]]) -> list[Case]:
    """Cases that call the library: (name, what is said, function of the folder)."""
    return [Case(name, says, call=call) for name, says, call in rows]


def check(case: Case, place: Path, capsys) -> None:
    """Run a case in the empty folder `place` and check everything that holds for any case."""
    arguments = [placed(argument, place) for argument in shlex.split(case.line)]
    call = case.call or (lambda folder: commands.run(arguments[0], arguments[1:]))
    before, peak, begin = (
        listing(place),
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        time.process_time(),
    )
    error = None
    with limited(SECONDS), memory_limit(ROOM):
        try:
            call(place)
        except SystemExit as end:
            assert case.says == "" and end.code in (None, 0), f"ended with {end.code}"
        except Exception as caught:
            error = caught
    busy = time.process_time() - begin
    said = None if error is None else of_system(error)
    if error is not None and said is None:
        if not (case.call and isinstance(error, (TypeError, ValueError))):
            raise error
        said = error
    typed = isinstance(error, TypeError)  # Python's own words for an argument of another type are good enough
    shown = "".join(capsys.readouterr())
    assert "Traceback" not in shown, shown
    check_files(case, place, before, error is not None)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < MEMORY, "took more than 1 GB"
    if case.says is None:
        assert said is None or check_words(printable(said), "") is None
    elif case.says:
        assert said is not None, f"taken without a word; printed: {shown[-300:]}"
        if not typed:
            check_words(printable(said), case.says)
        assert busy < BUSY, f"{busy:.1f} s of work before: {said}"
    else:
        assert said is None, f"refused: {said}"
        check_sound(case, place)


def check_words(said: str, says: str) -> None:
    """An error is one line (a list may follow it), short, names its subject and what to do."""
    first = said.partition("\n")[0]
    assert re.search(says, first, re.IGNORECASE), f"expected {says!r}, said: {first}"
    assert len(first) <= LONGEST, f"{len(first)} characters: {first}"
    assert not any(word in said for word in FORBIDDEN), said
    assert re.search(r"[:;,] ", first) and re.search(FIX, first), f"no reason or fix: {first}"


def check_files(case: Case, place: Path, before: dict[str, tuple], failed: bool) -> None:
    """Inputs are as they were, nothing is half-written, and what is new was asked for."""
    after = listing(place)
    allowed = case.leaves if failed else (*case.leaves, *case.writes)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    changed = {name for name in changed if not any(fnmatch(name, pattern) for pattern in allowed)}
    assert not changed, f"changed: {sorted(map(printable, changed))}"
    partial = [path for path in place.parent.rglob(".*") if path.name.startswith(".msdae.")]
    assert not partial, partial
    if not failed:
        missing = [name for name in case.writes if "*" not in name and name not in after]
        assert not missing, f"not written: {missing}"


def check_sound(case: Case, place: Path) -> None:
    """The first file that was written has sound and the length that is expected."""
    if case.seconds:
        waveform, rate = soundfile.read(place / case.writes[0])
        assert abs(len(waveform) / rate - case.seconds) < 1e-4, len(waveform) / rate
        assert np.isfinite(waveform).all() and np.abs(waveform).max() > 1e-4


def placed(argument: str, place: Path) -> str:
    """The argument with each `@NAME` put into `place` and named as it is there."""

    def put(match: re.Match) -> str:
        return library.put(match.group(1), place)

    return re.sub(r"@([\w][\w.+-]*)", put, argument)


def listing(place: Path) -> dict[str, tuple]:
    """{name: (kind, time, hash)} of all that is in a folder, at any depth, but the folders themselves."""
    entries = {}
    for folder, _, names in os.walk(place):
        for name in names:
            path = os.path.join(folder, name)
            state = os.lstat(path)
            content = b""
            if stat.S_ISREG(state.st_mode):
                with open(path, "rb") as file:
                    content = (
                        hashlib.file_digest(file, "md5").digest()
                        if hasattr(hashlib, "file_digest")
                        else file.read()
                    )
            entries[os.path.relpath(path, place)] = (state.st_mode, state.st_mtime_ns, content)
    return entries


class TooLong(BaseException):
    """A case that does not end; no `except Exception` swallows it."""


@contextmanager
def limited(seconds: float):
    """The block ends with `TooLong` after so many seconds."""

    def stop(number, frame):
        raise TooLong(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)  # again, where the end waits for threads
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def memory_limit(room: int):
    """Inside the block the process gets `room` bytes more, then MemoryError."""
    taken = int(re.search(r"VmData:\s+(\d+)", Path("/proc/self/status").read_text()).group(1)) << 10
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (taken + room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
