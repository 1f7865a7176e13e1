"""Finds the streams of FLAC files: joined ones, and those whose writer could not fill in the length."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from msdae.audio.parts import CutShort, Part, read_at

_INFO = 42  # bytes of the magic number, a block header and STREAMINFO
_TOTAL = (21, 26)  # bytes with 4 bits of the bits per sample, then the 36 bits of the number of samples
_TAIL = 1 << 20  # bytes at the end that are searched for the last frame; larger than any usual frame
_BLOCK = 1 << 20


@dataclass(frozen=True)
class _Info:
    """The header of a stream.

    block: samples of a block. largest: bytes of the largest frame. total: number of samples, 0 if unknown.
    begin: offset of the frames. first: the first bytes of the first frame.
    """

    block: int
    largest: int
    total: int
    begin: int
    first: bytes


def parts(file: BinaryIO, start: int, size: int) -> list[Part]:
    """The FLAC streams of a file from offset `start` on, each with its length.

    A file of more than `_TAIL` bytes is not searched for further streams if its last frame is the one that
    its header promises, and its frames can be large enough to fill the file.

    Raises:
        CutShort: a stream is shorter than its header promises, or has neither a length nor a frame.
    """
    info = _info(file, start)
    largest = -(-info.total // max(1, info.block)) * info.largest
    single = _TAIL < size - info.begin <= largest and _end(file, info, size) == info.total
    starts = [start] if single else list(_starts(file, start, size)) or [start]
    return [_part(file, *bounds) for bounds in zip(starts, [*starts[1:], size], strict=True)]


def _info(file: BinaryIO, start: int) -> _Info:
    head = read_at(file, start, _INFO).ljust(_INFO, b"\0")
    block, largest, total = (int.from_bytes(head[slice(*at)], "big") for at in ((10, 12), (15, 18), _TOTAL))
    begin = start + 4
    while len(block_header := read_at(file, begin, 4)) == 4 and block_header[0] != 0xFF:
        begin += 4 + int.from_bytes(block_header[1:], "big")
        if block_header[0] & 0x80:
            break
    return _Info(block, largest, total & 0xFFFFFFFFF, begin, read_at(file, begin, 16))


def _part(file: BinaryIO, start: int, stop: int) -> Part:
    info = _info(file, start)
    end = _end(file, info, stop)
    if end < info.total and end:
        raise CutShort(f"its header promises {info.total} samples, {end} are there")
    if info.total:
        return Part(start, stop)
    if not end:
        raise CutShort("it has no length and no complete frame")
    head = read_at(file, start, _INFO)
    depth = head[_TOTAL[0]] & 0xF0  # the 4 bits of the bits per sample
    total = (depth << 32 | end).to_bytes(5, "big")
    return Part(start + _INFO, stop, head[: _TOTAL[0]] + total + head[_TOTAL[1] :])


def _starts(file: BinaryIO, start: int, size: int) -> Iterator[int]:
    """The offsets of streams: of the magic number followed by the header of a STREAMINFO block."""
    for position in range(start, size, _BLOCK):
        block = read_at(file, position, _BLOCK + 7)
        offset = block.find(b"fLaC")
        while 0 <= offset < _BLOCK:
            if block[offset + 4 : offset + 8] in (b"\0\0\0\x22", b"\x80\0\0\x22"):
                yield position + offset
            offset = block.find(b"fLaC", offset + 1)


def _end(file: BinaryIO, info: _Info, stop: int) -> int:
    """The number of samples up to the end of the last frame before byte `stop`; 0 if no frame is found."""
    if len(info.first) < 4:
        return 0
    begin = max(info.begin, stop - _TAIL)
    tail = read_at(file, begin, stop - begin)
    position = len(tail)
    while (position := tail.rfind(info.first[:2], 0, position)) >= 0:
        head = tail[position : position + 16]
        alike = len(head) > 4 and not ((head[2] ^ info.first[2]) & 0x0F or (head[3] ^ info.first[3]) & 0x0F)
        if alike and (end := _frame_end(head.ljust(16, b"\0"), info)):
            return end
    return 0


def _frame_end(head: bytes, info: _Info) -> int:
    """The number of samples up to the end of the frame with header `head`; 0 if it is not a valid header."""
    code, rate = head[2] >> 4, head[2] & 0xF
    ones = f"{head[4]:08b}0".find("0")  # leading ones: the frame number is coded like a character in UTF-8
    count = ones or 1
    coded = head[4 : 4 + count]
    if ones in (1, 8) or code == 0 or rate == 15 or any(byte >> 6 != 2 for byte in coded[1:]):
        return 0
    number = coded[0] & (0x7F >> ones)
    for byte in coded[1:]:
        number = number << 6 | byte & 0x3F
    position = 4 + count
    extra = {6: 1, 7: 2}.get(code, 0)
    written = int.from_bytes(head[position : position + extra], "big") + 1
    samples = written if extra else 192 if code == 1 else 576 << code - 2 if code < 6 else 256 << code - 8
    position += extra + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if _crc8(head[:position]) != head[position]:
        return 0
    before = number if head[1] & 1 else number * info.block
    return before + samples


def _crc8(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value << 1 ^ (0x107 if value & 0x80 else 0)
    return value
