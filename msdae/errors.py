"""The exception whose message tells a user what to do, and the system errors that are turned into it."""

import errno
import importlib
import os
import re
from pathlib import PurePath
from types import ModuleType

FIXES = {
    errno.ENOSPC: "make room on this disk and start again: what was complete is kept",
    errno.EDQUOT: "make room in your quota and start again: what was complete is kept",
    errno.EFBIG: "a file may not grow so large here; raise the limit (ulimit -f)",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "a link that leads to itself; give the file that was meant",
    errno.EACCES: "check its permissions, or choose another",
    errno.EPERM: "check its permissions, or choose another",
    errno.EROFS: "choose another place, which can be written to",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.EIO: "the disk or the connection to it failed; copy the file elsewhere",
}
MEMORY = "give it less at once (shorter recordings, a smaller batch, fewer workers), or more memory"


class UserError(Exception):
    """Bad input: the message names the file or option, the reason and the fix.

    Command lines print it without a traceback and exit with code 2 (`msdae.cli.run`).
    """


def printable(text: object) -> str:
    """`text` made printable: control characters, and bytes of a file name that are not UTF-8, are escaped.

    Line breaks are kept in a text and escaped in a path.
    """
    kept = "" if isinstance(text, PurePath) else "\n"
    escaped = str(text).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(
        c if c.isprintable() or c == kept else c.encode("unicode_escape").decode() for c in escaped
    )


def of_system(error: BaseException, subject: object = None) -> UserError | None:
    """The UserError for an error of the system, such as no space, no memory or no permission.

    subject: the file or option that it is about; by default the file that the error names.

    Returns a UserError as it is, and None for any other error.
    """
    if isinstance(error, UserError):
        return error
    if number := re.search(r"\(os error (\d+)\)", str(error)):  # how safetensors words it
        error = OSError(int(number[1]), os.strerror(int(number[1])))
    if re.fullmatch(r"\d+ requested and \d+ written", str(error)):  # how NumPy words a full disk
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if isinstance(error, OSError):
        subject = subject or error.filename or "the system"
        reason = (error.strerror or str(error) or type(error).__name__).lower()
        fix = FIXES.get(error.errno or 0, "check the path")
        return UserError(f"{printable(subject)}: {reason}; {fix}")
    if isinstance(error, MemoryError) or _out_of_memory(error):
        return UserError(f"{printable(subject or 'the system')}: out of memory; {MEMORY}")
    return None


def required(module: str, message: str) -> ModuleType:
    """Import and return a module whose package may not be installed.

    message: what needs it, and the command that installs it.

    Raises:
        UserError: it cannot be imported; says `message` and the reason.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(f"{message} ({first_line(error)})") from error


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or the name of its class if it has none."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _out_of_memory(error: BaseException) -> bool:
    """Whether PyTorch ran out of memory, for which it has an exception of its own only on accelerators."""
    said = str(error)
    return type(error).__name__ == "OutOfMemoryError" or (
        isinstance(error, RuntimeError)
        and any(words in said for words in ("not enough memory", "out of memory", "can't allocate memory"))
    )
