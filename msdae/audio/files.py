"""Files of sound, read and written: whole, or block by block so that length costs no memory."""

import io
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch

from msdae.audio.resample import CONTEXT, length, resample
from msdae.audio.truncation import missing_bytes
from msdae.errors import UserError
from msdae.files import atomic, check_replaceable

SAMPLE_RATE = 44100
BLOCK = 1 << 17  # samples read or written at once
SUBTYPES = {".wav": "PCM_24", ".flac": "PCM_24", ".ogg": "VORBIS"}
_RATES = range(1_000, 1_000_001)  # Hz; outside, a header is taken to be damaged


@dataclass(frozen=True)
class Recording:
    """A file of sound as mono at `sample_rate`: its header is checked, its samples are still unread.

    Attributes:
        sample_rate: Hz, of what `blocks` gives.
        samples: at `sample_rate`.
        channels, rate, frames: of the file itself; several channels are read as their mean (mid).
    """

    path: Path
    sample_rate: int
    samples: int
    channels: int
    rate: int
    frames: int

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
        with _reading(self.path) as file:
            file.seek(min(first * old, self.frames))
            block = self._mono(file.read(frames, dtype="float32", always_2d=True))
        waveform = torch.cat(list(resample([block], self.rate, self.sample_rate)))
        waveform = waveform[skipped : skipped + samples]
        return torch.nn.functional.pad(waveform, (0, samples - len(waveform)))

    def _mono(self, block: np.ndarray) -> torch.Tensor:
        if not np.isfinite(block).all():
            raise UserError(f"{self.path}: has NaN or infinite samples; export it again as PCM")
        return torch.from_numpy(block.mean(axis=1))

    def _native(self) -> Iterator[torch.Tensor]:
        read = 0
        with _reading(self.path) as file:
            while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
                read += len(block)
                yield self._mono(block)
        if read != self.frames:
            reason = f"its header promises {self.frames} samples, {read} can be read"
            raise UserError(_cut_short(self.path, reason))


def open_recording(path: str | Path, sample_rate: int = SAMPLE_RATE) -> Recording:
    """The recording in `path`: wav, flac, ogg or mp3 by content, any rate, channels and bit depth.

    Raises:
        UserError: no such file, not a file of sound, empty or cut short.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file; check the path")
    if not path.is_file():
        raise UserError(f"{path}: is not a file; give a wav, flac, ogg or mp3 file")
    if not os.access(path, os.R_OK):
        raise UserError(f"{path}: cannot be read; check its permissions")
    with _reading(path) as file:
        rate, frames, channels = file.samplerate, file.frames, file.channels
    if reason := missing_bytes(path):
        raise UserError(_cut_short(path, reason))
    if frames == 0:
        raise UserError(f"{path}: has no samples; give a recording that is not empty")
    if rate not in _RATES:
        raise UserError(f"{path}: a sample rate of {rate} Hz; convert it to 44100 Hz")
    return Recording(path, sample_rate, length(frames, rate, sample_rate), channels, rate, frames)


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

    subtype: libsndfile's name of the encoding ("PCM_16"); by default that of `SUBTYPES`.

    Raises:
        UserError: another extension, or a folder that cannot be written to.
    """
    write_blocks(path, [waveform], sample_rate, subtype)


def write_blocks(
    path: str | Path,
    blocks: Iterable[torch.Tensor],
    sample_rate: int = SAMPLE_RATE,
    subtype: str | None = None,
) -> None:
    """`write` for a waveform that comes in consecutive blocks (samples,)."""
    path = Path(path)
    check_writable(path)
    with atomic(path) as temporary, _File(temporary, "w+b") as file:
        try:
            _encode(file, path, blocks, sample_rate, subtype or SUBTYPES[path.suffix.lower()])
        except (soundfile.LibsndfileError, AssertionError) as error:
            if file.error is None:
                raise UserError(f"{path}: cannot be written ({error}); choose another format") from error
        if file.error is not None:
            raise file.error


def check_writable(path: str | Path) -> None:
    """Raise the UserError that writing `path` would raise, before any work is done for it."""
    path = Path(path)
    if path.suffix.lower() not in SUBTYPES:
        raise UserError(f"{path}: output is written as {', '.join(SUBTYPES)}; choose one of these extensions")
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
            for part in block.detach().cpu().split(BLOCK):  # libsndfile's Vorbis fails on very long writes
                sound.write(part.numpy())


@contextmanager
def _reading(path: Path) -> Iterator[soundfile.SoundFile]:
    try:
        with _open(path) as file:
            yield file
    except soundfile.SoundFileError as error:
        raise _unreadable(path, getattr(error, "error_string", str(error))) from error


def _open(path: Path) -> soundfile.SoundFile:
    try:
        return soundfile.SoundFile(path)
    except TypeError as error:  # soundfile asks for the rate and channels of .raw files
        raise _unreadable(path, "it has no header") from error


def _unreadable(path: Path, reason: str) -> UserError:
    reason = reason.removeprefix("Error : ").strip().rstrip(".")
    if reason.startswith("File does not exist"):  # libsndfile's words for an mp3 without a frame of sound
        reason = "Format not recognised"
    return UserError(
        f"{path}: not a readable recording ({reason}); "
        "give an undamaged wav, flac, ogg or mp3 file, or convert this one to wav"
    )


def _cut_short(path: Path, reason: str) -> str:
    return f"{path}: was cut short ({reason}); copy or download it again"
