"""Files of sound, read and written: whole, or block by block so that length costs no memory."""

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
SUFFIXES = (  # by which files of sound are known in a folder; they are read by content
    *(".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff"),
    *(".m4a", ".mp4", ".aac", ".mka", ".webm", ".wma"),  # by the extra `av`
)
SUBTYPES = {".wav": "PCM_24", ".flac": "PCM_24", ".ogg": "VORBIS"}
WRITABLE = (torch.float32, torch.float64, torch.int16, torch.int32)  # numbers that libsndfile takes
VORBIS = range(1, 200_001)  # Hz; at others libvorbis ends the process
_FIX = "give a wav, flac, ogg, mp3 or m4a file"
RATES = range(1_000, 1_000_001)  # Hz; outside, a header is taken to be damaged


@dataclass(frozen=True)
class Recording:
    """A file of sound as mono at `sample_rate`: its header is checked, its samples are still unread.

    Attributes:
        sample_rate: Hz, of what `blocks` gives.
        samples: at `sample_rate`.
        channels, rate, frames: of the file itself; several channels are read as their mean (mid).
        streams: of the file, one after the other.
        state: of the file when it was opened (bytes, time of its last change); a changed one is refused.
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
        """Consecutive (samples,) float32 tensors, from the start; `samples` in all.

        Raises:
            UserError: NaN or infinite samples, or fewer samples than the header promises.
        """
        return resample(self._native(), self.rate, self.sample_rate)

    def part(self, start: int, samples: int) -> torch.Tensor:
        """(samples,) from sample `start` on, at `sample_rate`; silence after the recording's end.

        Raises:
            UserError: as `blocks`.
        """
        divisor = math.gcd(self.rate, self.sample_rate)
        old, new = self.rate // divisor, self.sample_rate // divisor  # samples of one period of both rates
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
    """The recording in `path`: wav, flac, ogg, mp3 or m4a by content, any rate, channels and bit depth.

    Its length is told by its headers or, where they do not know it, counted.

    Raises:
        UserError: no such file, not a file of sound, empty or cut short; PyAV is needed for it.
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
        UserError: as `open_recording` and `Recording.blocks`.
    """
    return torch.cat(list(open_recording(path, sample_rate).blocks()))


def write(
    path: str | Path, waveform: torch.Tensor, sample_rate: int = SAMPLE_RATE, subtype: str | None = None
) -> None:
    """Write `waveform` (samples,), [-1, 1], to a wav, flac or ogg file, which appears complete or not at all.

    waveform: a tensor or an array. subtype: libsndfile's name of the encoding ("PCM_16"); by default that of
    `SUBTYPES`.

    Raises:
        UserError: another extension, an encoding or a rate that such files do not have, a folder that cannot
            be written to; samples of another shape or type, NaN or infinite.
    """
    write_blocks(path, [waveform], sample_rate, subtype)


def is_lossless(path: str | Path) -> bool:
    """Whether `write` keeps samples as they are, but for rounding, in a file of this name."""
    return SUBTYPES[Path(path).suffix.lower()].startswith("PCM")


def write_blocks(
    path: str | Path,
    blocks: Iterable[torch.Tensor],
    sample_rate: int = SAMPLE_RATE,
    subtype: str | None = None,
) -> None:
    """`write` for a waveform that comes in consecutive blocks (samples,)."""
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
    """Raise the UserError that writing `path` would raise, before any work is done for it."""
    path = Path(path)
    if path.suffix.lower() not in SUBTYPES:
        reason = f"output is written as {', '.join(SUBTYPES)}; choose one of these extensions"
        raise UserError(f"{printable(path)}: {reason}")
    check_replaceable(path)


class _File(io.FileIO):
    """A file for libsndfile, which does not say that the disk was full at closing: the error is kept here."""

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
    """A block (samples,) of what libsndfile takes, for the file `path`."""
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
    """What decoders say inside the block becomes a UserError about `path`."""
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
        if reason.startswith("File does not exist"):  # libsndfile's words for an mp3 without a frame of sound
            reason = "Format not recognised"
        raise UserError(
            f"{printable(path)}: not a readable recording ({printable(reason)}); {_FIX}, or convert it to wav"
        ) from error
