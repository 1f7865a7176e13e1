"""The clips of a visitor: sounds that were uploaded, recorded, composed or rendered."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import torch

from msdae import audio, limits
from msdae.audio.mel import LogMel
from msdae.audio.windows import beginning, surrounded
from msdae.errors import UserError, printable
from msdae.evaluation import media
from msdae.inference.sources import PlayedScore
from msdae.limits import CLIP_SECONDS, UPLOAD
from msdae.symbolic.notes import Note
from msdae.symbolic.scores import SUFFIXES, is_score, read_notes

NAME = 80  # characters of the longest name
FADE_SECONDS = 0.02  # of the fade at the end of a recording that was cut
LEAST = 0.1  # seconds of the shortest clip
PART = 1 << 20  # samples whose spectrum is computed at once; a whole number of hops
KEPT = ".flac"  # format in which uploads are kept
SPARE = "struck formula"  # the player of scores if no SoundFont can be played


@dataclass(frozen=True)
class Bounds:
    """The limits of uploads.

    longest: seconds of a recording or score that are kept; the rest is cut.
    largest: megabytes of an uploaded file.
    """

    longest: Annotated[float, CLIP_SECONDS]
    largest: Annotated[float, UPLOAD]

    def __post_init__(self):
        limits.check(self)


@dataclass(eq=False)
class Clip:
    """A clip of sound.

    path: its sound file. picture: its spectrogram, as a data: URL. score: whether its notes come from a
    score. whole: whether nothing was cut off. notes: (onset, offset, pitch) of each note, in seconds and MIDI
    pitches, from a score or transcribed; None if they are unknown, or not yet known. place: its place on the
    map, from 0 to 1 across and down. midi: a MIDI file of its notes. played: the score that it
    plays. used: time (`time.monotonic`) at which it was made or last used.
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
    played: PlayedScore | None = None
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    used: float = field(default_factory=time.monotonic)

    @property
    def source(self) -> Path | PlayedScore:
        """The clip as a melody source: its score, which keeps no sound in memory afterwards, or its file."""
        return replace(self.played) if self.played else self.path

    def described(self) -> dict[str, Any]:
        """The clip as the page receives it."""
        names = ("id", "name", "seconds", "picture", "score", "whole", "notes", "place")
        return {name: getattr(self, name) for name in names} | {"midi": self.midi is not None}


def title(name: Any, otherwise: str = "Untitled") -> str:
    """A name that can be shown: one line of at most `NAME` printable characters, or else `otherwise`."""
    return printable(" ".join(str(name or "").split()))[:NAME].strip() or otherwise


def suffix(name: str) -> str:
    """The extension for an uploaded file: that of a score, or else ".sent", as sounds are read by content."""
    ending = "".join(name.lower().rpartition(".")[1:])
    return ending if ending in SUFFIXES else ".sent"


def read(path: Path, name: str, folder: Path, bounds: Bounds) -> Clip:
    """The clip in an uploaded file; its sound is written to `folder`.

    Raises:
        UserError: it cannot be read, is empty or too short; the message calls it `name`.
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
    """The clip of a waveform (samples,) at 44.1 kHz, which is written to a file in `folder`.

    kind: extension of the file. facts: further attributes of the clip.
    """
    path = folder / f"{secrets.token_hex(8)}{kind}"
    audio.write(path, waveform)
    return Clip(name, path, round(len(waveform) / audio.SAMPLE_RATE, 3), picture(waveform), **facts)


def opened(path: Path, name: str, **facts: Any) -> Clip:
    """The clip of an existing sound file, which is not copied. facts: further attributes of the clip."""
    waveform = audio.read(path)
    return Clip(name, path, round(len(waveform) / audio.SAMPLE_RATE, 3), picture(waveform), **facts)


def picture(waveform: torch.Tensor) -> str:
    """The spectrogram of a waveform (samples,) at 44.1 kHz, as a data: URL."""
    mel = _mel(waveform).numpy()
    return media.spectrogram(mel, float(mel.max()))


def played(notes: Sequence[Note], name: str = "score") -> PlayedScore:
    """Notes played by the default player, or by `SPARE` if no SoundFont can be played."""
    score = PlayedScore(Path(name), audio.SAMPLE_RATE, tuple(notes))
    try:
        score.samples  # noqa: B018, plays it
    except UserError:
        return replace(score, player=SPARE)
    return score


def performed(notes: Sequence[Note], name: str, folder: Path, **facts: Any) -> Clip:
    """The clip of a score with these notes, as it is `played`; the other arguments are as of `kept`."""
    score = played(notes, name)
    facts |= {"score": True, "notes": rolled(notes), "played": replace(score)}
    return kept(torch.cat(list(score.blocks())), name, folder, **facts)


def rolled(notes: Sequence[Note]) -> list[tuple[float, float, float]]:
    """Notes as the page draws them: (onset, offset, pitch), rounded."""
    return [(round(float(note[0]), 3), round(float(note[1]), 3), round(float(note[2]), 2)) for note in notes]


def _mel(waveform: torch.Tensor) -> torch.Tensor:
    """The log-mel of a waveform: (bands, frames).

    It is computed part by part, as the spectrum of an hour would take 13 GB.
    """
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
    return performed(first, name, folder, whole=whole)


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
