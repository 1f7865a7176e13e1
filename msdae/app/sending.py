"""Reads the bodies of requests: files, which are written to disk as they arrive, and small JSON objects."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

import anyio
from starlette.requests import ClientDisconnect, Request

from msdae import files, limits
from msdae.errors import UserError

LONGEST = 300.0  # seconds within which a file has to arrive
LARGEST_JSON = 1 << 16  # bytes
RESERVE = 200e6  # bytes of the disk that stay free


async def store(request: Request, folder: Path, ending: str, largest: float) -> Path:
    """Write the body of a request to a new file in `folder` and return its path.

    ending: extension of the file. largest: megabytes.

    Raises:
        UserError: the body is larger than that, empty, incomplete or too slow, or the disk is full. No file
            is left behind then.
    """
    most = int(largest * 1e6)
    limits.require_disk(folder, RESERVE + most, "a file that is sent")
    told = request.headers.get("content-length", "0")
    if told.isdecimal() and int(told) > most:
        raise _too_large(largest)
    path = folder / f"{secrets.token_hex(8)}{ending}"
    try:
        with anyio.fail_after(LONGEST):
            await _write(request, path, most, largest)
    except BaseException as error:  # also if the visitor disconnects
        path.unlink(missing_ok=True)
        if isinstance(error, TimeoutError):
            raise UserError(f"the file took longer than {LONGEST:g} s to come; try again") from error
        if isinstance(error, ClientDisconnect):
            raise UserError("the file did not come to its end; send it again") from error
        raise
    return path


async def _write(request: Request, path: Path, most: int, largest: float) -> None:
    size = 0
    with files.reading(path), open(path, "xb") as file:
        os.chmod(path, 0o600)
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise _too_large(largest)
            file.write(part)
    if size == 0:
        raise UserError("the file is empty; choose another")


def _too_large(largest: float) -> UserError:
    return UserError(f"the file is larger than {largest:g} MB; cut it, or convert it to flac or mp3")


async def json_object(request: Request) -> dict[str, Any]:
    """The JSON object in the body of a request.

    Raises:
        UserError: the body is no JSON object, or is too large.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_JSON:
            raise UserError("more was sent than the page sends")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UserError("what was sent is no JSON") from error
    if not isinstance(value, dict):
        raise UserError("what was sent is no JSON object")
    return value
