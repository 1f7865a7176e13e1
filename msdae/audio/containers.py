"""Finds the streams of a sound file and where each begins and ends, from headers alone.

Decoders trust the length in a file's header, and stop after the first of several files that were joined.
`parts` makes up for that: it gives them one complete stream at a time.
"""

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

from msdae.audio import flac, mp3, ogg
from msdae.audio.parts import CutShort, Part, read_at, skip_tags

# {first bytes of a file: (struct format of a chunk's name and size, offset of the first chunk, name of the
# chunk with the samples, number of bytes to whose multiples chunks are padded)}.
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
_CHUNKS = {
    b"RIFF": ("<4sI", 12, b"data", 2),
    b"RIFX": (">4sI", 12, b"data", 2),
    b"RF64": ("<4sI", 12, b"data", 2),
    b"BW64": ("<4sI", 12, b"data", 2),
    b"FORM": (">4sI", 12, b"SSND", 2),
    b"caff": (">4sQ", 8, b"data", 1),
    b"riff": ("<16sQ", 40, _W64_DATA, 8),
}
_SPLIT = {b"fLaC": flac.parts, b"OggS": ogg.parts}
_EBML = b"\x1a\x45\xdf\xa3"
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_OTHERS = {b"OggS": "ogg", b"caff": "caf", b"\x30\x26\xb2\x75": "asf"}
_OF_LIBSNDFILE = (b"\x01vorbi", b"OpusHe")  # first bytes of Ogg streams that libsndfile reads, not PyAV
_MOST_CHUNKS = 10_000
_LARGEST_HEADER = 1 << 24  # bytes before the samples of a file over 4 GB
_WRAP = 1 << 32


def parts(file: BinaryIO) -> list[Part]:
    """The streams in an open file, in order, for libsndfile; none if it cannot read such files.

    Raises:
        CutShort: the file is shorter than its headers promise.
    """
    size = os.fstat(file.fileno()).st_size
    start = skip_tags(file, 0)
    magic = read_at(file, start, 4)
    if magic in _SPLIT:
        return _SPLIT[magic](file, start, size)
    if mp3.begins(magic):
        return mp3.parts(file, start, size)
    if magic in _CHUNKS and start == 0:
        return [_chunked(file, size, magic)]
    return [_au(file, size)] if magic == b".snd" else []


def sampling(file: BinaryIO) -> tuple[float | None, tuple[int, int] | None]:
    """The information for samplers in an open WAV file (its "smpl" chunk), None for each that it lacks.

    Returns the MIDI pitch of the recording, and the first and last frame of its first loop.
    """
    if read_at(file, 0, 4) != b"RIFF":
        return None, None
    for name, start, length in _chunks(file, b"RIFF"):
        if name == b"smpl" and len(fields := read_at(file, start, min(length, 52))) >= 36:
            key, fraction, loops = struct.unpack("<12xII8xI4x", fields[:36])
            loop = struct.unpack("<44xII", fields) if loops and len(fields) == 52 else None
            return min(key, 127) + fraction / 2**32, loop
    return None, None


def _chunked(file: BinaryIO, size: int, magic: bytes) -> Part:
    long = None  # the 64-bit length of the samples in RF64's own chunk
    for name, start, length in _chunks(file, magic):
        if name == _CHUNKS[magic][2]:
            return _samples(file, size, magic, start, length if long is None else long)
        if name == b"ds64":
            long = int.from_bytes(read_at(file, start + 8, 8), "little")
    raise CutShort("it ends before its samples begin")


def _chunks(file: BinaryIO, magic: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The name of each chunk, the offset of its content, and the length of its content in bytes."""
    layout, position, _, multiple = _CHUNKS[magic]
    head = struct.calcsize(layout)
    for _ in range(_MOST_CHUNKS):
        if len(header := read_at(file, position, head)) < head:
            return
        name, length = struct.unpack(layout, header)
        length -= head if magic == b"riff" else 0  # Wave64 counts the chunk's header
        yield name, position + head, length
        position += head + max(0, length)
        position += -position % multiple


def _samples(file: BinaryIO, size: int, magic: bytes, start: int, length: int) -> Part:
    """The whole file as a part, with a corrected header if its own is wrong.

    A header is wrong if 32 bits were too few for the length, or if the writer never went back to fill it in.

    start: offset of the samples. length: their length in bytes, by the header.

    Raises:
        CutShort: the header promises more samples than there are.
    """
    present = size - start
    if length > present and not _unknown(length):
        raise CutShort(f"its header promises {length} bytes of samples, {present} are there")
    if magic not in (b"RIFF", b"RF64", b"BW64") or start > _LARGEST_HEADER:
        return Part(0, size)
    closed = magic == b"RIFF" and int.from_bytes(read_at(file, 4, 4), "little") == size - 8
    if length > present or not closed and (length == 0 or _unknown(length)):
        whole = present
    else:
        whole = length + ((present - length) // _WRAP * _WRAP if magic == b"RIFF" else 0)
    if whole == length and magic != b"BW64":
        return Part(0, size)
    return Part(start, start + whole, _rf64(read_at(file, 12, start - 20), whole))


def _rf64(chunks: bytes, length: int) -> bytes:
    """The header of an RF64 file with these chunks and `length` bytes of samples."""
    if chunks[:4] == b"ds64":
        chunks = chunks[8 + int.from_bytes(chunks[4:8], "little") :]
    whole = struct.pack("<4sIQQQI", b"ds64", 28, length + len(chunks) + 56, length, 0, 0)
    return b"RF64\xff\xff\xff\xffWAVE" + whole + chunks + b"data\xff\xff\xff\xff"


def _unknown(length: int) -> bool:
    """Whether this is the placeholder of a writer to a pipe: close to the largest number, signed or not."""
    return length < 0 or any(0 <= (1 << bits) - length <= 1 << 12 for bits in (31, 32, 63, 64))


def _au(file: BinaryIO, size: int) -> Part:
    start, length = struct.unpack(">II", read_at(file, 4, 8).ljust(8, b"\0"))
    return _samples(file, size, b".snd", start, length)


# -- files that only PyAV reads


def container(file: BinaryIO) -> str | None:
    """FFmpeg's name of the file's container; None if it is not one that is left to PyAV.

    Raises:
        CutShort: an MP4 or Matroska file is shorter than its headers promise.
    """
    size = os.fstat(file.fileno()).st_size
    magic = read_at(file, skip_tags(file, 0), 8).ljust(8, b"\0")
    if magic[4:] in _BOXES:
        _check_boxes(file, size)
        return "mp4"
    if magic[:4] == _EBML:
        _check_segment(file, size)
        return "matroska"
    if magic[:2] in (b"\xff\xf1", b"\xff\xf9"):
        return "aac"
    if magic[0] == 0xFF and magic[1] & 0xE6 in (0xE4, 0xE6):  # MPEG's layers II and I
        return "mp3"
    if read_at(file, 28, 6) in _OF_LIBSNDFILE:
        return None
    return _OTHERS.get(magic[:4])


def _check_boxes(file: BinaryIO, size: int) -> None:
    """Raise CutShort for an MP4 file whose last box is incomplete, or that has no index of its samples."""
    position, names = 0, set()
    while len(head := read_at(file, position, 16)) >= 8 and len(names) < _MOST_CHUNKS:
        length, name = struct.unpack(">I4s", head[:8])
        if length == 1:
            length = int.from_bytes(head[8:], "big")
        names.add(name)
        position = position + max(8, length) if length else size
    if position > size:
        raise CutShort(f"its headers promise {position} bytes, {size} are there")
    if b"moov" not in names:
        raise CutShort("its index is missing")


def _check_segment(file: BinaryIO, size: int) -> None:
    """Raise CutShort for a Matroska file whose segment is incomplete, if the file gives its length."""
    length, position = _variable(file, 4)
    length, position = _variable(file, position + (length or 0) + 4)
    if length is not None and position + length > size:
        raise CutShort(f"its headers promise {position + length} bytes, {size} are there")


def _variable(file: BinaryIO, position: int) -> tuple[int | None, int]:
    """A length in EBML's code of 1 to 8 bytes (None if unknown: all bits set), and the offset after it."""
    head = read_at(file, position, 8).ljust(8, b"\0")
    count = 9 - head[0].bit_length()
    value = int.from_bytes(head[:count], "big") & (1 << 7 * count) - 1
    return (None if value == (1 << 7 * count) - 1 else value), position + count
