"""Locks between processes: a second process gets an error (`only_process`) or waits (`in_turn`)."""

import json
import logging
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
logger = logging.getLogger(__name__)


@contextmanager
def only_process(folder: str | Path) -> Iterator[None]:
    """Let only one process at a time into blocks of the same `folder`, which is made if it is missing.

    Of processes that were launched together, the first one takes the lock for all.

    The system ends the lock with the process, however that dies. The file .lock in the folder says which
    process has the lock, or had it last. On a file system without locks, nothing is locked.

    Raises:
        UserError: another process is in such a block; the message names its number, machine and start.
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
def in_turn(path: str | Path, doing: str = "") -> Iterator[None]:
    """Let processes into blocks of the same file `path`, which is made if it is missing, one after the other.

    The others wait; on a file system without locks, nobody does.

    doing: what the block does, "decodes ...", for the line that a waiting process logs; "" for no line.
    """
    path = Path(path)
    make_folder(path.parent)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if lock(handle) is False:
            if doing:
                logger.info("%s: another process %s; waiting for it", printable(path.parent), doing)
            lock(handle, wait=True)
        yield
    finally:
        os.close(handle)


def _holder(handle: int) -> str:
    with suppress(ValueError, LookupError, TypeError):
        record = json.loads(os.pread(handle, 4096, 0))
        return f"process {record['pid']} on {record['host']} since {record['since']}"
    return "another process"
