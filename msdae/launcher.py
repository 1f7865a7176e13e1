"""The launcher of this process, `accelerate launch` or torchrun: when it dies, the process ends, too."""

import os
import re
import select
import signal
import sys
import threading
from typing import NoReturn

import psutil

threads: int | None = None  # CPU threads that --threads asks for; None without that option
_PARENT = os.getppid()  # read at import: after a parent's death, another one takes its place
_POLL = 0.5  # seconds between two looks at the parent
_watching, _left = threading.Event(), threading.Event()


def launched() -> bool:
    """Whether `accelerate launch` or torchrun started this process."""
    return "ACCELERATE_MIXED_PRECISION" in os.environ or "TORCHELASTIC_RUN_ID" in os.environ


def rank() -> int:
    """The number of this process among those that the launcher started; 0 if there is only one."""
    return int(os.environ.get("RANK", "0"))


def terminate(number: int, frame: object) -> NoReturn:
    """Signal handler: exit with code 128 + `number`, after half-written files are removed."""
    signal.signal(number, signal.SIG_IGN)  # a second one would interrupt the cleaning
    sys.exit(128 + number)


def end_if_terminated() -> None:
    """Exit if `terminate` was called, of whose exit some libraries make an error while they are imported."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        sys.exit(128 + signal.SIGTERM)


def watch() -> None:
    """Begin to watch the launcher: when it dies, this process ends as by SIGTERM.

    Without a launcher, outside POSIX, or on another thread than the main one, which handles signals, this
    does nothing.
    """
    main = threading.current_thread() is threading.main_thread()
    if os.name == "posix" and launched() and main and not _watching.is_set():
        _watching.set()
        told, tell = os.pipe()
        os.set_blocking(tell, False)
        signal.set_wakeup_fd(tell, warn_on_full_buffer=False)  # shows Ctrl-C during long steps
        threading.Thread(target=_watch, args=(told,), daemon=True).start()


def _watch(told: int) -> None:
    while os.getppid() == _PARENT:
        ready, _, _ = select.select([told], [], [], _POLL)
        if ready and signal.SIGINT in os.read(told, 64):
            leave()
    if not _left.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


def leave() -> None:
    """End `accelerate launch` before this process ends, so that it prints nothing after the error message.

    It would print a traceback for every exit code but 0, and a quarter of a second after Ctrl-C. SIGTERM ends
    it silently; the shell sees exit code 143. A launcher of several processes is left alone.
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
