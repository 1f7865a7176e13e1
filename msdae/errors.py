"""The one exception that means "the input is wrong, here is what to do", and what else is said that way."""

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
    """`text` as it can be printed: bytes of a name that are no UTF-8 and control characters are escaped.

    Lines of a text stay lines; the name of a file, a path, has one.
    """
    kept = "" if isinstance(text, PurePath) else "\n"
    escaped = str(text).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(
        c if c.isprintable() or c == kept else c.encode("unicode_escape").decode() for c in escaped
    )


def of_system(error: BaseException, subject: object = None) -> UserError | None:
    """What an error of the machine, not of the program, says to a user: no space, no memory, no permission.

    subject: the file or option that it is about, where the error does not know it.

    Returns None for any other error.
    """
    if isinstance(error, UserError):
        return error
    if number := re.search(r"\(os error (\d+)\)", str(error)):  # as safetensors says it
        error = OSError(int(number[1]), os.strerror(int(number[1])))
    if re.fullmatch(r"\d+ requested and \d+ written", str(error)):  # as NumPy says it
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
    """The module of a package that may not be installed.

    message: what needs it, and the line that installs it.

    Raises:
        UserError: it cannot be imported: `message`, and why.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(f"{message} ({first_line(error)})") from error


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its kind where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _out_of_memory(error: BaseException) -> bool:
    """Whether PyTorch says so, which has an exception for it only where the memory is an accelerator's."""
    said = str(error)
    return type(error).__name__ == "OutOfMemoryError" or (
        isinstance(error, RuntimeError)
        and any(words in said for words in ("not enough memory", "out of memory", "can't allocate memory"))
    )
