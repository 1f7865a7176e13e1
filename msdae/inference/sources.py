"""Sources of sound: recordings, arrays, and scores, which are played."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from msdae.audio import windows
from msdae.audio.denoising import Denoised
from msdae.audio.files import SAMPLE_RATE, Recording, open_recording
from msdae.audio.intonation import Straightened
from msdae.audio.levels import Levelled
from msdae.audio.resample import resampled
from msdae.audio.tuning import Tuned
from msdae.audio.windows import Kept, Source
from msdae.errors import UserError, printable
from msdae.inference import reading
from msdae.inference.codes import Codes
from msdae.inference.settings import VOICES
from msdae.symbolic.notes import Note
from msdae.symbolic.scores import is_score, read_notes
from msdae.symbolic.voice_separation import separate

logger = logging.getLogger(__name__)
SOUND_ENDING = ".sound"  # the ending of learnt sounds
UNHEARD = "nothing can be heard in the mean of its channels"
GLIDING = 0.15  # share of the time from which on the pitch of a melody source glides too often to be read
CANCELLED = 12.0  # dB that a mean of channels has lost where one of them is turned round
CODES = "give the one whose length and loudness it is, and codes for its levels, as Mix('b.wav', {3: codes})"


@dataclass(frozen=True)
class PlayedScore:
    """A score, MIDI or MusicXML, as a source: it is played by a plain sound.

    Attributes:
        sample_rate: of `blocks`, in Hz.
        notes: the notes of the score, in seconds.
        player: one of `players.PLAYERS`; None for the default.
    """

    path: Path
    sample_rate: int
    notes: tuple[Note, ...] = field(repr=False)
    channels: int = 1
    player: str | None = None

    def voices(self, most: int = VOICES) -> tuple[Source, ...]:
        """Its voices, at most so many, played apart, whose sum it is; one if no two notes sound at once."""
        if most not in self._played:
            from msdae.synthesis.players import PLAYER, play_voices  # formulas take a second to import

            played = play_voices(separate(self.notes, most), player=self.player or PLAYER)
            waveforms = [windows.Waveform(resampled(one, SAMPLE_RATE, self.sample_rate)) for one in played]
            self._played[most] = tuple(waveforms)
        return self._played[most]

    def transposed(self, semitones: int) -> "PlayedScore":
        """The score with its notes so much higher.

        Raises:
            UserError: a note would have no MIDI pitch, 0 to 127.
        """
        notes = tuple(note._replace(pitch=note.pitch + semitones) for note in self.notes)
        if outside := [note.pitch for note in notes if not 0 <= note.pitch <= 127]:
            reason = f"transposed by {semitones}, it would have the pitch {outside[0]:g}, beyond 0 to 127"
            raise UserError(f"{printable(self.path)}: {reason}; choose another transposition")
        return replace(self, notes=notes)

    @property
    def samples(self) -> int:
        """Length of the waveform."""
        return self.voices()[0].samples

    def blocks(self) -> Iterator[torch.Tensor]:
        """The sum of the voices, in blocks (samples,)."""
        for blocks in zip(*(voice.blocks() for voice in self.voices()), strict=True):
            yield torch.stack(blocks).sum(dim=0)

    @cached_property
    def _played(self) -> dict[int, tuple[Source, ...]]:
        """The voices as they were played, by their highest number."""
        return {}


def open_sound(path: str | Path, sample_rate: int = SAMPLE_RATE) -> Recording | PlayedScore:
    """Open a recording, or a score, which is played; the ending of the name tells which it is.

    Raises:
        UserError: as `open_recording` and `read_notes`; the file is a learnt sound.
    """
    if Path(path).suffix == SOUND_ENDING:
        raise UserError(f"{printable(path)}: a learnt sound, no recording; give it with --sound (load_sound)")
    if is_score(path):
        return PlayedScore(Path(path), sample_rate, tuple(read_notes(path)))
    return open_recording(path, sample_rate)


def mixed_down(recording: Recording) -> str:
    """Words for how a recording of several channels is heard; raises as `Recording.blocks`."""
    cancel = recording.cancelled() > CANCELLED
    hint = ", in which they cancel each other; give one of them alone" if cancel else ""
    return f"{recording.channels} channels are processed as their mean (mid){hint}"


def read_sound(path: str | Path) -> torch.Tensor:
    """All samples of `open_sound`: (samples,), float32, mono; raises as it and as `Recording.blocks`."""
    return torch.cat(list(open_sound(path).blocks()))


def as_source(sound: Any, rate: int, sample_rate: int | None = None) -> Source:
    """As `windows.as_source`, but scores are sources, too; raises a UserError for `Codes`."""
    if isinstance(sound, PlayedScore):
        return sound if sound.sample_rate == rate else replace(sound, sample_rate=rate)
    if isinstance(sound, Codes):
        raise UserError(f"codes are no recording; {CODES}")
    if isinstance(sound, (str, Path)):
        return open_sound(sound, rate)
    return windows.as_source(sound, rate, sample_rate)


def levelled(sound: Any, rate: int, sample_rate: int | None = None) -> Levelled:
    """`as_source`, brought to the level that models are trained on; a `Levelled` source is returned as it is.

    Raises:
        UserError: as `as_source`; a `Levelled` source has another rate.
    """
    if not isinstance(sound, Levelled):
        return Levelled(as_source(sound, rate, sample_rate), rate)
    if sound.rate != rate:
        raise UserError(f"a levelled source at {sound.rate} Hz: give one at {rate} Hz, or the sound itself")
    return sound


class Melody(Levelled):
    """A melody source at the pitches of piano keys, on which models are trained; see `melody_source`."""

    @property
    def sound(self) -> Levelled:
        """What the code of its sound is read from: the source itself."""
        return self

    def voices(self, most: int, read: bool = True, transpose: int = 0) -> "list[Melody]":
        """Its voices, at most so many, as melody sources of their own.

        Those of a score are played apart. The notes of a recording are read and played plainly
        (`reading.voices`); where they cannot be read, or glide so often that few of them are clear, as those
        of singers, the source itself is its one voice.

        read: whether the notes of recordings are read. transpose: semitones by which they are higher; for
            that, notes that glide are read, too.

        Raises:
            UserError: it is to be transposed, but its notes are not read, or not those of MIDI afterwards.
        """
        if isinstance(self.origin, PlayedScore):
            score = self.origin.transposed(transpose) if transpose else self.origin
            apart = score.voices(most)
            return [melody_source(one, self.rate) for one in apart] if transpose or len(apart) > 1 else [self]
        read = read and (transpose != 0 or self.source.source.gliding < GLIDING)
        played = reading.voices(self, most, transpose) if read else []
        if transpose and not played:
            reason = "its notes cannot be read" if read else "its notes are not read without transcription"
            raise UserError(
                f"{_name(self, 'melody')}: {reason}, so it cannot be transposed; leave transpose out"
            )
        return [Voice(voice, self.rate) for voice in played] or [self]

    def restored(self, blocks: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Blocks (samples,) of a rendering of it -> blocks with the source's original pitches and length."""
        straightened = self.source.source
        return straightened.source.restored(straightened.restored(blocks))


class Voice(Melody):
    """A voice of a melody source whose notes were read; its `source` is what was played of them."""

    @property
    def sound(self) -> Levelled:
        return self.source.source

    def restored(self, blocks: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        return self.sound.restored(blocks)


def melody_source(sound: Any, rate: int, sample_rate: int | None = None) -> Melody:
    """As `levelled`, but tuned to A = 440 Hz and with straightened pitches."""
    if isinstance(sound, Melody):
        return levelled(sound, rate)
    source = levelled(sound, rate, sample_rate).source
    return Melody(Kept(Straightened(Tuned(source, rate), rate), rate), rate)


def timbre_source(sound: Any, rate: int, sample_rate: int | None = None, keep: bool = False) -> Levelled:
    """As `levelled`, without steady noise, which models take for a part of the sound. keep: as by `Kept`."""
    if isinstance(sound, Levelled):
        return levelled(sound, rate)
    source = Denoised(as_source(sound, rate, sample_rate), rate)
    return Levelled(Kept(source, rate) if keep else source, rate)


def require_audible(timbres: Iterable[Levelled], melody: Levelled | None = None) -> None:
    """Raise a UserError if a timbre source is silent, as the mean of two opposite channels is.

    melody: if it is silent, this is only noted in the log, since the rendering is silent, too.
    """
    for timbre in timbres:
        if timbre.silent:
            raise UserError(f"{_name(timbre, 'timbre')}: {UNHEARD}; give another one")
    if melody is not None and melody.silent:
        logger.info("note: %s: %s, so the rendering is silent", _name(melody, "melody"), UNHEARD)


def _name(source: Levelled, role: str) -> str:
    return printable(getattr(source, "path", f"the {role} source"))
