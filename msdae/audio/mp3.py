"""Finds the streams of MP3 files: joined ones, and those without a header that gives their length."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from msdae.audio.parts import CutShort, Part, read_at, skip_tags

_BITRATES = (
    (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # kbit/s of MPEG 1
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # kbit/s of MPEG 2 and 2.5
)
_RATES = (44100, 48000, 32000)
_DELAY = 529  # samples that mpg123 drops at the start in addition to an encoder's delay in the header
_ENCODERS = (b"LAME", b"Lavf", b"Lavc")  # encoders whose delay and padding both FFmpeg and mpg123 drop
_BLOCK = 1 << 16  # bytes searched at once


@dataclass(frozen=True)
class _Frame:
    """The header of a layer III frame.

    head: its four bytes. size: bytes of the frame.
    """

    head: bytes
    size: int

    @staticmethod
    def of(head: bytes) -> "_Frame | None":
        """The frame that begins with the bytes `head`; None if they do not begin a frame."""
        if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2 or head[1] & 0x18 == 0x08:
            return None
        bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
        if bitrate in (0, 15) or rate == 3:
            return None
        first = head[1] & 0x18 == 0x18
        kilobits = _BITRATES[not first][bitrate - 1]
        hertz = _RATES[rate] >> {0x18: 0, 0x10: 1, 0x00: 2}[head[1] & 0x18]
        size = (144 if first else 72) * 1000 * kilobits // hertz + (head[2] >> 1 & 1)
        return _Frame(bytes(head[:4]), size)

    @property
    def kind(self) -> tuple[int, int, bool]:
        """The fields that all frames of a stream share: version, rate, whether it is mono."""
        return self.head[1] & 0xFE, self.head[2] & 0x0C, self.head[3] >> 6 == 3

    @property
    def samples(self) -> int:
        """Samples of the frame per channel."""
        return 1152 if self._first else 576

    @property
    def _first(self) -> bool:
        return self.head[1] & 0x18 == 0x18

    @property
    def side(self) -> int:
        """Bytes of side information, which precede a Xing or Info header."""
        return ((32, 17) if self._first else (17, 9))[self.kind[2]]


def begins(magic: bytes) -> bool:
    """Whether these four bytes begin a layer III frame."""
    return _Frame.of(magic) is not None


def parts(file: BinaryIO, start: int, size: int) -> list[Part]:
    """The MP3 streams of a file from offset `start` on.

    A stream begins at a header, after bytes that are not frames, such as a tag, where the rate or the version
    changes, and after the last frame that a header announces.

    Raises:
        CutShort: a stream has fewer frames than its header announces.
    """
    streams: list[_Stream] = []
    for position, frame in _frames(file, start, size):
        header = _Header.of(read_at(file, position + 4, 192), frame.side)
        if header or not streams or streams[-1].ends(position, frame):
            streams.append(_Stream(position, frame, header))
        streams[-1].frames += header is None
        streams[-1].stop = position + frame.size
    return [stream.part() for stream in streams if stream.frames]


@dataclass(frozen=True)
class _Header:
    """A Xing, Info or VBRI header, which takes the place of the first frame of sound.

    frames: number of frames of sound, 0 if it is not given. delays: whether it gives the encoder's delay.
    """

    frames: int
    delays: bool

    @staticmethod
    def of(content: bytes, side: int) -> "_Header | None":
        """The header in a frame; None if it is a frame of sound.

        content: the frame without its first four bytes. side: bytes of side information.
        """
        if content[32:36] == b"VBRI":
            return _Header(0, False)
        content = content[side:]
        if content[:4] in (b"Xing", b"Info"):
            flags = int.from_bytes(content[4:8], "big")
            frames = int.from_bytes(content[8:12], "big") if flags & 1 else 0
            lengths = (4, 4, 100, 4)  # bytes of the fields that the flags announce
            encoder = 8 + sum(length for bit, length in enumerate(lengths) if flags >> bit & 1)
            return _Header(frames, frames > 0 and content[encoder : encoder + 4] in _ENCODERS)
        return None


@dataclass
class _Stream:
    """Consecutive frames of one stream; `frames` and `stop` grow while they are read."""

    start: int
    first: _Frame
    header: _Header | None
    frames: int = 0
    stop: int = 0

    def ends(self, position: int, frame: _Frame) -> bool:
        """Whether `frame`, at byte `position`, belongs to another stream."""
        complete = self.header is not None and 0 < self.header.frames == self.frames
        return complete or frame.kind != self.first.kind or position != self.stop

    def part(self) -> Part:
        """The stream as a part for a decoder, with a header that gives the number of frames.

        Raises:
            CutShort: there are fewer frames than the stream's own header announces.
        """
        header = self.header or _Header(0, False)
        if self.frames < header.frames - (not header.delays):  # some encoders count the header's own frame
            raise CutShort(f"its header promises {header.frames} frames, {self.frames} are there")
        if header.delays:
            return Part(self.start, self.stop)
        skipped = self.first.size if self.header else 0
        samples = self.frames * self.first.samples
        return Part(self.start + skipped, self.stop, _header(self.first, self.frames), samples)


def _header(first: _Frame, frames: int) -> bytes:
    """A LAME header, followed by a silent frame for the samples that decoders drop because of the header."""
    head = bytes([0xFF, first.head[1] | 1, first.head[2] & 0x0C | 0x90, first.head[3]])
    size = _Frame.of(head).size
    delays = (first.samples - _DELAY) << 12 | _DELAY
    tag = b"Info" + (1).to_bytes(4, "big") + (frames + 1).to_bytes(4, "big") + b"LAME3.100"
    tag += bytes(12) + delays.to_bytes(3, "big")
    return (head + bytes(first.side) + tag).ljust(size, b"\0") + head.ljust(size, b"\0")


def _frames(file: BinaryIO, position: int, size: int) -> Iterator[tuple[int, _Frame]]:
    """(offset, frame) of all complete frames; tags and damaged bytes between them are skipped."""
    while position < size:
        frame = _Frame.of(read_at(file, position, 4))
        if frame and position + frame.size <= size:
            yield position, frame
            position += frame.size
        elif (after := skip_tags(file, position)) > position:
            position = after
        else:
            position = _next(file, position + 1, size)


def _next(file: BinaryIO, start: int, size: int) -> int:
    """The offset of the next frame that is followed by another frame; `size` if there is none."""
    for position in range(start, size, _BLOCK):
        block = read_at(file, position, _BLOCK + 3)
        offset = block.find(b"\xff")
        while 0 <= offset < _BLOCK:
            frame = _Frame.of(block[offset : offset + 4])
            if frame and _Frame.of(read_at(file, position + offset + frame.size, 4)):
                return position + offset
            offset = block.find(b"\xff", offset + 1)
    return size
