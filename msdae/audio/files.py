"""Reads and writes sound files, whole or block by block, so that long files need no more memory."""

import io
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from msdae import files
from msdae.audio import decoding
from msdae.audio.decoding import BLOCK
from msdae.audio.parts import CutShort
from msdae.audio.resample import CONTEXT, length, resample
from msdae.audio.samples import as_block
from msdae.errors import UserError, printable
from msdae.files import atomic, check_replaceable

SAMPLE_RATE = 44100
SUFFIXES = (  # extensions of sound files in a folder; reading goes by content
    *(".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff"),
    *(".m4a", ".mp4", ".aac", ".mka", ".webm", ".wma"),  # need the extra `av`
)
SUBTYPES = {".wav": "PCM_24", ".flac": "PCM_24", ".ogg": "VORBIS"}
WRITABLE = (torch.float32, torch.float64, torch.int16, torch.int32)  # types of samples that libsndfile takes
VORBIS = range(1, 200_001)  # Hz; libvorbis aborts the process at other rates
CANCELLING = 20  # seconds of a recording in which channels that cancel each other are looked for
_FIX = "give a wav, flac, ogg, mp3 or m4a file"
RATES = range(1_000, 1_000_001)  # Hz; outside, a header is taken to be damaged


@dataclass(frozen=True)
class Recording:
    """A sound file, to be read as mono at `sample_rate`; its headers are checked, its samples still unread.

    Attributes:
        sample_rate: rate in Hz at which it is read.
        samples: its length at `sample_rate`.
        channels, rate, frames: those of the file itself; channels are averaged when it is read.
        streams: the streams of the file, in order.
        state: size in bytes and time of the last change of the file when it was opened; if it has changed
            since, it is refused.
    """

    path: Path
    sample_rate: int
    samples: int
    channels: int
    rate: int
    frames: int
    streams: tuple[decoding.Stream, ...] = field(repr=False)
    state: tuple[int, int] = field(repr=False)

    def blocks(self) -> Iterator[torch.Tensor]:
        """Consecutive float32 tensors (samples,) from the start, `samples` samples in all.

        Raises:
            UserError: samples are NaN or infinite, there are fewer than the header promises, or the file has
                changed since it was opened.
        """
        return resample(self._native(), self.rate, self.sample_rate)

    def part(self, start: int, samples: int) -> torch.Tensor:
        """`samples` samples from sample `start` on, at `sample_rate`, with silence after the end: (samples,)

        Raises:
            UserError: as in `blocks`.
        """
        divisor = math.gcd(self.rate, self.sample_rate)
        old, new = self.rate // divisor, self.sample_rate // divisor  # the rates' ratio in lowest terms
        margin = math.ceil(CONTEXT * max(1, self.sample_rate / self.rate) / new)
        first = max(0, start // new - margin)
        skipped = start - first * new
        frames = math.ceil((skipped + samples) / new + margin) * old
        blocks, present = [torch.zeros(0)], 0
        for block in self._native(min(first * old, self.frames)):
            blocks.append(block[: frames - present])
            present += len(block)
            if present >= frames:
                break
        waveform = torch.cat(list(resample(blocks, self.rate, self.sample_rate)))
        waveform = waveform[skipped : skipped + samples]
        return torch.nn.functional.pad(waveform, (0, samples - len(waveform)))

    def cancelled(self) -> float:
        """dB by which the mean of its channels is softer than they are, in the first `CANCELLING` seconds.

        Two channels with nothing in common lose 3, silence nothing. Raises as `blocks`.
        """
        mean, each, left = 0.0, 0.0, CANCELLING * self.rate
        with _reading(self.path), np.errstate(invalid="ignore"):  # infinite samples are refused where read
            for block in decoding.blocks(self.path, self.streams):
                part = block[:left].astype(float)
                each += float(np.square(part).mean(axis=1).sum())
                mean += float(np.square(part.mean(axis=1)).sum())
                if (left := left - len(part)) <= 0:
                    break
        return 10 * math.log10(each / max(mean, 1e-20)) if 0 < each < math.inf else 0.0

    def _mono(self, block: np.ndarray) -> torch.Tensor:
        if not np.isfinite(block).all():
            raise UserError(f"{printable(self.path)}: has NaN or infinite samples; export it again as PCM")
        return torch.from_numpy(block.mean(axis=1))

    def _native(self, start: int = 0) -> Iterator[torch.Tensor]:
        self._check_unchanged()
        with _reading(self.path):
            for block in decoding.blocks(self.path, self.streams, start):
                yield self._mono(block)
        self._check_unchanged()

    def _check_unchanged(self) -> None:
        if _state(self.path) != self.state:
            raise UserError(
                f"{printable(self.path)}: changed since it was opened; try again when it is complete"
            )


def open_recording(path: str | Path, sample_rate: int = SAMPLE_RATE) -> Recording:
    """The recording in `path`: wav, flac, ogg, mp3 or m4a by content, of any channels and bit depth.

    Its length comes from its headers or, if they lack it, from decoding the file.

    sample_rate: Hz at which it is to be read.

    Raises:
        UserError: the file does not exist, is not a sound file, is empty or truncated, has a sample rate
            outside of `RATES` or one that changes, or needs PyAV, which is not installed.
    """
    path = Path(path)
    with files.reading(path, _FIX), _reading(path):
        if not path.exists():
            raise UserError(f"{printable(path)}: no such file; check the path")
        if not path.is_file():
            raise UserError(f"{printable(path)}: is not a file; {_FIX}")
        if not os.access(path, os.R_OK):
            raise UserError(f"{printable(path)}: cannot be read; check its permissions")
        state = _state(path)
        streams = decoding.streams(path, state)
    frames, rate = sum(stream.frames for stream in streams), streams[0].rate
    if frames == 0:
        raise UserError(f"{printable(path)}: has no samples; give a recording that is not empty")
    if rate not in RATES:
        raise UserError(f"{printable(path)}: a sample rate of {rate} Hz; convert it to 44100 Hz")
    if any(stream.rate != rate for stream in streams):
        raise UserError(f"{printable(path)}: its sample rate changes; convert it to one of 44100 Hz")
    channels = max(stream.channels for stream in streams)
    samples = length(frames, rate, sample_rate)
    return Recording(path, sample_rate, samples, channels, rate, frames, streams, state)


def read(path: str | Path, sample_rate: int = SAMPLE_RATE) -> torch.Tensor:
    """The whole recording in `path`: (samples,), float32, mono (the mean of the channels).

    Raises:
        UserError: as in `open_recording` and `Recording.blocks`.
    """
    return torch.cat(list(open_recording(path, sample_rate).blocks()))


def write(
    path: str | Path, waveform: torch.Tensor, sample_rate: int = SAMPLE_RATE, subtype: str | None = None
) -> None:
    """Write a waveform to a wav, flac or ogg file, which appears complete or not at all.

    waveform: a tensor or an array (samples,), in [-1, 1]. subtype: libsndfile's name of the encoding, such as
    "PCM_16"; by default that in `SUBTYPES`.

    Raises:
        UserError: the extension is another one, the format has no such encoding or rate, the folder cannot be
            written to, or the samples have another shape or type, or are NaN or infinite.
    """
    write_blocks(path, [waveform], sample_rate, subtype)


def is_lossless(path: str | Path) -> bool:
    """Whether `write` uses a lossless format for a file of this name (samples are still rounded)."""
    return SUBTYPES[Path(path).suffix.lower()].startswith("PCM")


def write_blocks(
    path: str | Path,
    blocks: Iterable[torch.Tensor],
    sample_rate: int = SAMPLE_RATE,
    subtype: str | None = None,
) -> None:
    """Like `write`, for a waveform in consecutive blocks (samples,)."""
    path = Path(path)
    check_writable(path)
    kind, subtype = path.suffix[1:].lower(), subtype or SUBTYPES[path.suffix.lower()]
    if not soundfile.check_format(kind, subtype):
        reason = f"{kind} files have no encoding {printable(subtype)[:40]}"
        raise UserError(f"{printable(path)}: {reason}; choose another one, or leave it out")
    if kind == "ogg" and sample_rate not in VORBIS:
        reason = f"ogg files have no sample rate of {printable(sample_rate)[:40]} Hz"
        raise UserError(f"{printable(path)}: {reason}; give {VORBIS[-1]} at most, or choose wav")
    with atomic(path) as temporary, _File(temporary, "w+b") as file:
        try:
            _encode(file, path, blocks, sample_rate, subtype)
        except (soundfile.LibsndfileError, AssertionError) as error:
            if file.error is None:
                raise UserError(
                    f"{printable(path)}: cannot be written ({error}); choose another format"
                ) from error
        if file.error is not None:
            raise file.error


def check_writable(path: str | Path) -> None:
    """Raise the UserError that writing to `path` would raise, so that it comes before any work."""
    path = Path(path)
    if path.suffix.lower() not in SUBTYPES:
        reason = f"output is written as {', '.join(SUBTYPES)}; choose one of these extensions"
        raise UserError(f"{printable(path)}: {reason}")
    check_replaceable(path)


class _File(io.FileIO):
    """A file for libsndfile that keeps an error such as a full disk, which libsndfile hides on closing."""

    error: OSError | None = None

    def write(self, data: bytes) -> int:
        left = memoryview(data)
        try:
            while left:
                left = left[super().write(left) :]
        except OSError as error:
            self.error = self.error or error
        return len(data) - len(left)


def _encode(file: _File, path: Path, blocks: Iterable[torch.Tensor], sample_rate: int, subtype: str) -> None:
    kind = path.suffix[1:].upper()
    with soundfile.SoundFile(file, "w", sample_rate, 1, subtype, format=kind) as sound:
        for block in blocks:
            for part in _checked(block, path).split(BLOCK):  # libsndfile's Vorbis fails on very long writes
                sound.write(part.numpy())


def _checked(block: Any, path: Path) -> torch.Tensor:
    """A block (samples,) in a type that libsndfile takes; raises a UserError that names the file `path`."""
    try:
        block = as_block(block, WRITABLE)
    except UserError as error:
        raise UserError(f"{printable(path)}: {error}") from error
    if not block.isfinite().all():
        raise UserError(f"{printable(path)}: NaN or infinite samples cannot be written; give finite ones")
    return block


def _state(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn errors of decoders inside the block into a UserError about `path`."""
    try:
        yield
    except CutShort as error:
        raise UserError(f"{printable(path)}: was cut short ({error}); copy or download it again") from error
    except decoding.NeedsPyAV as error:
        raise UserError(
            f"{printable(path)}: {error} is read by PyAV, which is not installed; "
            "pip install 'msdae[av]', or convert it to wav"
        ) from error
    except decoding.Unreadable as error:
        reason = str(error).removeprefix("Error : ").strip().rstrip(".")
        if reason.startswith("File does not exist"):  # libsndfile says so for an mp3 without frames
            reason = "Format not recognised"
        raise UserError(
            f"{printable(path)}: not a readable recording ({printable(reason)}); {_FIX}, or convert it to wav"
        ) from error
