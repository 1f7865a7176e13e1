"""One process at a time in a folder, where a second one is told who is there, or in turn."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from msdae import launcher
from msdae.errors import UserError, printable
from msdae.files import lock, make_folder

NAME = ".lock"


@contextmanager
def only_process(folder: str | Path) -> Iterator[None]:
    """No other process is in a block of the same `folder`, which is made where missing.

    Of processes that were launched together the first one takes the lock for all.

    The system ends the lock with the process, however that dies: none is left behind. The file .lock in the
    folder says who has it, or had it last. On a disk that knows no locks nothing is held.

    Raises:
        UserError: another process is in such a block; says its number, machine and start.
    """
    if launcher.rank() != 0:
        yield
        return
    folder = Path(folder)
    make_folder(folder)
    handle = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if lock(handle) is False:
            raise UserError(
                f"{printable(folder)}: in use by {_holder(handle)}; wait for it, stop it, or choose another"
            )
        since = datetime.now().astimezone().isoformat(" ", "seconds")
        record = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
        os.ftruncate(handle, 0)
        os.write(handle, json.dumps(record).encode())
        yield
    finally:
        os.close(handle)


@contextmanager
def in_turn(path: str | Path) -> Iterator[None]:
    """One process at a time in a block of the same file `path`, which is made where missing; others wait.

    On a disk that knows no locks nobody waits.
    """
    path = Path(path)
    make_folder(path.parent)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        lock(handle, wait=True)
        yield
    finally:
        os.close(handle)


def _holder(handle: int) -> str:
    with suppress(ValueError, LookupError, TypeError):
        record = json.loads(os.pread(handle, 4096, 0))
        return f"process {record['pid']} on {record['host']} since {record['since']}"
    return "another process"
