"""Parts of files: complete streams of bytes, as decoders receive them."""

import io
import os
from dataclasses import dataclass
from typing import BinaryIO


class CutShort(Exception):
    """A file ends before its headers say so; the message gives the evidence."""


@dataclass(frozen=True)
class Part:
    """One stream for a decoder: the bytes of a file from `start` to before `stop`, preceded by `header`.

    frames: number of its frames, if a decoder would count another number.
    """

    start: int
    stop: int
    header: bytes = b""
    frames: int | None = None

    def window(self, file: BinaryIO) -> BinaryIO:
        """The part as a file of its own; reading it moves the position of `file`."""
        return _Window(file, self)


class _Window(io.RawIOBase):
    def __init__(self, file: BinaryIO, part: Part):
        self._file, self._part = file, part
        self._size = len(part.header) + max(0, part.stop - part.start)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer) -> int:
        view = memoryview(buffer).cast("B")
        view = view[: max(0, self._size - self._position)]
        header = self._part.header
        if self._position < len(header):
            block = header[self._position : self._position + len(view)]
        else:
            block = read_at(self._file, self._part.start + self._position - len(header), len(view))
        view[: len(block)] = block
        self._position += len(block)
        return len(block)


def read_at(file: BinaryIO, position: int, size: int) -> bytes:
    """At most `size` bytes of a file from offset `position` on."""
    file.seek(position)
    return file.read(size)


def skip_tags(file: BinaryIO, position: int) -> int:
    """The offset after any ID3v2 tags at offset `position`."""
    while (head := read_at(file, position, 10))[:3] == b"ID3" and len(head) == 10:
        size = int.from_bytes(head[6:10], "big")
        size = sum((size >> 8 * byte & 0x7F) << 7 * byte for byte in range(4))
        position += 10 + size + (10 if head[5] & 0x10 else 0)
    return position
