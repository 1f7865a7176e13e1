"""Clips of sound that a visitor has: files that were sent, recorded, composed or rendered."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch

from msdae import audio, limits
from msdae.audio.mel import LogMel
from msdae.audio.windows import beginning, surrounded
from msdae.errors import UserError, printable
from msdae.evaluation import media
from msdae.limits import CLIP_SECONDS, UPLOAD
from msdae.symbolic.notes import Note
from msdae.symbolic.scores import SUFFIXES, is_score, read_notes
from msdae.synthesis import players

NAME = 80  # characters of a name
FADE_SECONDS = 0.02  # at the end of what was cut
LEAST = 0.1  # seconds
PART = 1 << 20  # samples whose spectrum is taken at once; whole hops
KEPT = ".flac"  # how what comes in is kept
SPARE = "struck formula"  # plays scores where no SoundFont can


@dataclass(frozen=True)
class Bounds:
    """What a visitor may send.

    longest: seconds that are kept of a recording or score; the rest is left out.
    largest: megabytes of a file that is sent.
    """

    longest: Annotated[float, CLIP_SECONDS]
    largest: Annotated[float, UPLOAD]

    def __post_init__(self):
        limits.check(self)


@dataclass(eq=False)
class Clip:
    """A clip of sound.

    path: its file. picture: of its spectrogram, a data: address. score: its notes, where they are written.
    whole: whether nothing of it was cut. notes: (onset, offset, pitch), in seconds and MIDI numbers; heard or
    written; None where they are not known (yet). place: on the map, 0 to 1 across and down. used: when it
    came, or when something was last made of it.
    """

    name: str
    path: Path
    seconds: float
    picture: str
    score: bool = False
    whole: bool = True
    notes: Sequence[tuple[float, float, float]] | None = None
    place: tuple[float, float] | None = None
    midi: Path | None = None
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    used: float = field(default_factory=time.monotonic)

    def described(self) -> dict[str, Any]:
        """What the page is told."""
        names = ("id", "name", "seconds", "picture", "score", "whole", "notes", "place")
        return {name: getattr(self, name) for name in names} | {"midi": self.midi is not None}


def title(name: Any, otherwise: str = "Untitled") -> str:
    """A name as it can be shown: one line, of printable characters, not too long."""
    return printable(" ".join(str(name or "").split()))[:NAME].strip() or otherwise


def suffix(name: str) -> str:
    """The ending that the file of an upload gets: one of scores', or none that says anything."""
    ending = "".join(name.lower().rpartition(".")[1:])
    return ending if ending in SUFFIXES else ".sent"


def read(path: Path, name: str, folder: Path, bounds: Bounds) -> Clip:
    """The clip in a file that was sent; what is kept of it lies in `folder`.

    Raises:
        UserError: it can not be read, is empty or too short; calls it by `name`.
    """
    try:
        if is_score(path):
            return _score(path, name, folder, bounds)
        return _recording(path, name, folder, bounds)
    except UserError as error:
        raise UserError(str(error).replace(str(path), name)) from error


def kept(
    waveform: torch.Tensor,
    name: str,
    folder: Path,
    kind: str = KEPT,
    **facts: Any,
) -> Clip:
    """The clip of a waveform (samples,) at 44.1 kHz, of which a file of the kind `kind` is written."""
    path = folder / f"{secrets.token_hex(8)}{kind}"
    audio.write(path, waveform)
    return Clip(name, path, round(len(waveform) / audio.SAMPLE_RATE, 3), picture(waveform), **facts)


def opened(path: Path, name: str, **facts: Any) -> Clip:
    """The clip of a file that is there already, which is not copied."""
    waveform = audio.read(path)
    return Clip(name, path, round(len(waveform) / audio.SAMPLE_RATE, 3), picture(waveform), **facts)


def picture(waveform: torch.Tensor) -> str:
    """The spectrogram of a waveform (samples,) at 44.1 kHz, as a data: address."""
    mel = _mel(waveform).numpy()
    return media.spectrogram(mel, float(mel.max()))


def played(notes: Sequence[Note]) -> torch.Tensor:
    """Notes by the sound that plays scores, or by a formula where no SoundFont can be played: (samples,)"""
    try:
        return players.play(notes)
    except UserError:
        return players.play(notes, player=SPARE)


def rolled(notes: Sequence[Note]) -> list[tuple[float, float, float]]:
    """Notes as the page draws them."""
    return [(round(float(note[0]), 3), round(float(note[1]), 3), round(float(note[2]), 2)) for note in notes]


def _mel(waveform: torch.Tensor) -> torch.Tensor:
    """The log-mel of a waveform, (bands, frames), part by part: the spectrum of an hour would take 13 GB."""
    log_mel = LogMel()
    hop, margin = log_mel.config.hop, log_mel.config.n_fft // 2
    parts = surrounded([waveform], len(waveform), PART, margin)
    mels = [log_mel(window[None])[0, :, (begin - first) // hop :] for begin, first, window in parts]
    return torch.cat([mel[:, : PART // hop] for mel in mels], dim=1)


def _score(path: Path, name: str, folder: Path, bounds: Bounds) -> Clip:
    notes = read_notes(path)
    first = [Note(*note) for note in notes if note[0] < bounds.longest - LEAST]
    first = [note._replace(offset=min(note.offset, bounds.longest)) for note in first]
    if not first:
        raise UserError(f"{name}: its first note comes after {bounds.longest:g} s; move it to the beginning")
    whole = bool(max(note[1] for note in notes) <= bounds.longest)
    facts = {"score": True, "whole": whole, "notes": rolled(first)}
    return kept(played(first), name, folder, **facts)


def _recording(path: Path, name: str, folder: Path, bounds: Bounds) -> Clip:
    source = audio.open_recording(path)
    most = round(bounds.longest * audio.SAMPLE_RATE)
    waveform = beginning(source, most)
    if len(waveform) < LEAST * audio.SAMPLE_RATE:
        raise UserError(f"{name}: lasts {len(waveform) / audio.SAMPLE_RATE:.2f} s; give at least {LEAST:g} s")
    whole = source.samples <= most
    if not whole:
        fade = round(FADE_SECONDS * audio.SAMPLE_RATE)
        waveform[-fade:] *= torch.linspace(1, 0, fade)
    return kept(waveform / max(1.0, float(waveform.abs().max())), name, folder, whole=whole)
