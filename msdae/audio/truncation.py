"""Files of sound that were cut short without their decoder noticing."""

import os
import struct
from pathlib import Path

_UNKNOWN = (0, 0xFFFFFFFF)  # what writers to a pipe leave as the size
_LAST_PAGES = 1 << 17  # an Ogg page has at most 65 307 bytes
_END_OF_STREAM = 4


def missing_bytes(path: Path) -> str | None:
    """Why `path` (WAV or Ogg, by content) ends before its headers say so; None if it does not."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        magic = file.read(4)
        if magic == b"RIFF":
            return _wav(file, size)
        if magic == b"OggS":
            return _ogg(file, size)
    return None


def _wav(file, size: int) -> str | None:
    position = 12
    while position + 8 <= size:
        file.seek(position)
        name, length = struct.unpack("<4sI", file.read(8))
        if name == b"data":
            present = size - position - 8
            if length in _UNKNOWN or length <= present:
                return None
            return f"its header promises {length} bytes of samples, {present} are there"
        position += 8 + length + length % 2
    return "it ends before its samples begin"


def _ogg(file, size: int) -> str | None:
    file.seek(max(0, size - _LAST_PAGES))
    tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    complete = len(page) >= 27 and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
    if complete and page[5] & _END_OF_STREAM:
        return None
    return "its last page is missing"
