"""Decodes sound files with libsndfile or, for formats that it lacks, with FFmpeg (the package PyAV)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile

from msdae.audio.containers import container, parts
from msdae.audio.parts import CutShort, Part

BLOCK = 1 << 17  # samples read or written at once, of all channels together
_MOST_FRAMES = 1 << 13  # frames per byte; FLAC reaches 5 461 for silence
_MOST_STREAMS = 1000  # streams joined in one file; more mean a damaged file
_LAST_PAGE = 1 << 21  # frames that an Ogg page may hold; libsndfile seeks inexactly in the last page
_PREROLL = 1 << 14  # frames decoded before the one sought with PyAV, as its decoders need them
_REMEMBERED = 1 << 14  # files whose streams are cached; to find them, mp3 and m4a files are read through


class Unreadable(Exception):
    """No decoder can read the file; the message is the reason."""


class NeedsPyAV(Unreadable):
    """The file needs PyAV, which is not installed; the message describes the file."""


@dataclass(frozen=True)
class Stream:
    """A stream of sound in a file.

    part: its bytes. rate: Hz. frames: samples per channel. container: FFmpeg's name of the container if PyAV
    reads it, else None. origin: time of the first frame, in samples; None if PyAV cannot seek by time in it.
    """

    part: Part
    rate: int
    channels: int
    frames: int
    container: str | None = None
    origin: int | None = None


@lru_cache(_REMEMBERED)
def streams(path: Path, state: tuple[int, int]) -> tuple[Stream, ...]:
    """The streams of sound in a file, in order, as its headers describe them.

    A file that only PyAV reads is decoded to count its frames.

    state: size in bytes and time of the last change of the file, for which the result is cached.

    Raises:
        Unreadable: no decoder can read the file.
        CutShort: the file is shorter than its headers promise.
    """
    with open(path, "rb") as file:
        pieces = parts(file)
        try:
            if not pieces:
                raise Unreadable("Format not recognised")
            if len(pieces) > _MOST_STREAMS:
                raise Unreadable(f"in {len(pieces)} pieces")
            return tuple(_stream(path, part) for part in pieces)
        except Unreadable:
            if (name := container(file)) is None:
                raise
    return (_count(path, name, state),)


def blocks(path: Path, streams: tuple[Stream, ...], start: int = 0) -> Iterator[np.ndarray]:
    """The samples of all streams from frame `start` on, in blocks: float32, (frames, channels).

    Raises:
        Unreadable: a stream cannot be decoded.
        CutShort: a stream has fewer or more frames than it promises.
    """
    for stream in streams:
        if start < stream.frames:
            yield from _stream_blocks(path, stream, start)
        start = max(0, start - stream.frames)


def _stream_blocks(path: Path, stream: Stream, start: int) -> Iterator[np.ndarray]:
    end = start
    for position, block in (_pyav_blocks if stream.container else _sndfile_blocks)(path, stream, start):
        end = position + len(block)
        if end > start:
            yield block[max(0, start - position) :]
    if end != stream.frames:
        raise CutShort(f"its header promises {stream.frames} samples, {end} can be read")


# -- libsndfile


def _stream(path: Path, part: Part) -> Stream:
    with _sndfile(path, part) as file:
        rate, channels = file.samplerate, file.channels
        frames = file.frames if part.frames is None else part.frames
    if frames > _MOST_FRAMES * (part.stop - part.start):
        raise CutShort(f"its header promises {frames} samples, {part.stop - part.start} bytes are there")
    return Stream(part, rate, channels, frames)


def _sndfile_blocks(path: Path, stream: Stream, start: int) -> Iterator[tuple[int, np.ndarray]]:
    """(position, block) of blocks that begin at `start` or before it."""
    with _sndfile(path, stream.part) as file:
        position = min(start, max(0, stream.frames - _LAST_PAGE)) if file.format == "OGG" else start
        if position:
            file.seek(position)
        while len(block := file.read(max(1, BLOCK // stream.channels), dtype="float32", always_2d=True)):
            yield position, block
            position += len(block)


@contextmanager
def _sndfile(path: Path, part: Part) -> Iterator[soundfile.SoundFile]:
    """A part of a file, opened by its descriptor, as libsndfile only takes names in UTF-8."""
    with open(path, "rb", buffering=0) as file:
        whole = part.start == 0 and not part.header and part.stop == os.fstat(file.fileno()).st_size
        with nullcontext() if whole else open(path, "rb") as buffered:
            source = file.fileno() if whole else part.window(buffered)
            try:
                with soundfile.SoundFile(source, closefd=False) as sound:
                    yield sound
            except soundfile.SoundFileError as error:
                raise Unreadable(getattr(error, "error_string", str(error))) from error


# -- PyAV


def _count(path: Path, name: str, state: tuple[int, int]) -> Stream:
    """The stream of a file that PyAV reads; its frames are counted by decoding them."""
    rate = channels = frames = 0
    origin, contiguous = None, True
    for file_rate, time, block in _decode(path, name):
        origin = time if frames == 0 else origin
        contiguous = contiguous and time is not None and time == origin + frames
        rate, channels, frames = file_rate, block.shape[1], frames + len(block)
    return Stream(Part(0, state[0]), rate, channels, frames, name, origin if contiguous else None)


def _pyav_blocks(path: Path, stream: Stream, start: int) -> Iterator[tuple[int, np.ndarray]]:
    position = 0
    sought = None if stream.origin is None or start < _PREROLL else stream.origin + start - _PREROLL
    for _, time, block in _decode(path, stream.container, sought):
        position = position if sought is None else time - stream.origin
        yield position, block
        position += len(block)


def _decode(path: Path, name: str, start: int | None = None) -> Iterator[tuple[int, int | None, np.ndarray]]:
    """The blocks of a file's best audio stream, as (rate in Hz, time, samples (frames, channels)).

    Times are in samples; a time is None if the file counts in other units.

    start: time at or before which to begin.
    """
    try:
        import av
    except ImportError as error:
        raise NeedsPyAV(f"a file of the kind {name!r}") from error
    try:
        with open(path, "rb") as file, av.open(file, format=name, metadata_errors="ignore") as source:
            stream = source.streams.best("audio")
            if stream is None:
                raise Unreadable("there is no sound in it")
            rate = None
            if start is not None:
                source.seek(start, stream=stream)
            for frame in source.decode(stream):
                rate = rate or frame.sample_rate
                if frame.sample_rate != rate:
                    raise Unreadable("its sample rate changes")
                timed = frame.time_base is not None and frame.time_base * rate == 1
                yield rate, frame.pts if timed else None, _samples(frame)
    except (av.FFmpegError, ValueError, NotImplementedError) as error:
        raise Unreadable(getattr(error, "strerror", None) or str(error)) from error


def _samples(frame) -> np.ndarray:
    """A frame of PyAV as float32 in [-1, 1]: (frames, channels)"""
    values = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(frame.samples, -1)
    if values.dtype.kind == "f":
        return np.ascontiguousarray(values, dtype=np.float32)
    scale = 1 << 8 * values.dtype.itemsize - 1
    offset = scale if values.dtype.kind == "u" else 0
    return ((values.astype(np.float64) - offset) / scale).astype(np.float32)
