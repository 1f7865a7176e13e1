"""The program that started this process, `accelerate launch` or torchrun, which it does not outlive."""

import os
import re
import select
import signal
import sys
import threading
from typing import NoReturn

import psutil

threads: int | None = None  # of the CPU that this process was asked to take
_PARENT = os.getppid()  # noted at once: one that died meanwhile cannot be asked
_POLL = 0.5  # seconds
_watching, _left = threading.Event(), threading.Event()


def launched() -> bool:
    """Whether `accelerate launch` or torchrun started this process."""
    return "ACCELERATE_MIXED_PRECISION" in os.environ or "TORCHELASTIC_RUN_ID" in os.environ


def rank() -> int:
    """This process among those that `accelerate launch` or torchrun started; 0 when there is only one."""
    return int(os.environ.get("RANK", "0"))


def terminate(number: int, frame: object) -> NoReturn:
    """A signal's handler: end with its exit code, after half-written files are removed."""
    signal.signal(number, signal.SIG_IGN)  # a second one would interrupt the cleaning
    sys.exit(128 + number)


def watch() -> None:
    """End this process as SIGTERM does when its launcher dies, from now on.

    Python handles signals on the main thread: called on another one, this does nothing.
    """
    main = threading.current_thread() is threading.main_thread()
    if os.name == "posix" and launched() and main and not _watching.is_set():
        _watching.set()
        told, tell = os.pipe()
        os.set_blocking(tell, False)
        signal.set_wakeup_fd(tell, warn_on_full_buffer=False)  # for Ctrl-C during long steps
        threading.Thread(target=_watch, args=(told,), daemon=True).start()


def _watch(told: int) -> None:
    while os.getppid() == _PARENT:
        ready, _, _ = select.select([told], [], [], _POLL)
        if ready and signal.SIGINT in os.read(told, 64):
            leave()
    if not _left.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


def leave() -> None:
    """Part with the launcher, so that it adds nothing to what this process says of its end.

    `accelerate launch` answers every exit code but 0, and Ctrl-C after a quarter of a second, with a
    traceback of its own. SIGTERM ends it without a word; the shell sees 143. One that started several
    processes is left alone.
    """
    if _watching.is_set() and os.getppid() == _PARENT and "TORCHELASTIC_RUN_ID" not in os.environ:
        _left.set()
        if {"accelerate", "launch"} <= set(re.findall(r"\w+", " ".join(_command_line(_PARENT)))):
            os.kill(_PARENT, signal.SIGTERM)


def _command_line(process: int) -> list[str]:
    try:
        return psutil.Process(process).cmdline()
    except psutil.Error:
        return []
