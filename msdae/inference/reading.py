"""Reads the notes of recorded melody sources and plays them plainly: what models hear best."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import numpy as np
import torch
import torch.nn.functional as F

from msdae import files
from msdae.audio import tones
from msdae.audio.files import BLOCK
from msdae.audio.levels import HOP, Levelled
from msdae.audio.windows import Changed, Resampled, surrounded
from msdae.models import transcriber
from msdae.symbolic.notes import Note
from msdae.symbolic.voice_separation import separate

LOUD, SURE = -15.0, 0.85  # share of the hops above so many dB in which notes sound, if notes can be read
EARLY = 4  # hops before its onset in which a note may sound
RING = 0.15  # seconds after its end in which a note still sounds
SEVERAL = 0.08  # share of the time with notes in which several sound; a recording with less is a single line
RINGING = 0.45  # seconds into the next note, at most, in which a note of a line rings on
OVERLAP = 0.08  # seconds at either end of a note that do not count
PART, MARGIN = 20, 1  # seconds that are played at once, and of context on either side
EARLIER = 0.025  # seconds by which notes are played before they were read, since models begin them late
SMOOTH = 43  # hops, half a second, over which levels are compared
MOST = 20.0  # dB by which a level is changed, at most
FAINT = 1e-4  # RMS of what counts as silence


class Played(Changed):
    """One voice of `source`, a melody source, whose notes were read, played by plain tones.

    stored: its samples, an array (samples,) in a temporary file.
    """

    def __init__(self, source: Levelled, stored: np.ndarray):
        super().__init__(source, source.rate)
        object.__setattr__(self, "stored", stored)

    def blocks(self) -> Iterator[torch.Tensor]:
        for start in range(0, len(self.stored), BLOCK):
            yield torch.from_numpy(self.stored[start : start + BLOCK].astype(np.float32))


def voices(source: Levelled, most: int, transpose: int = 0) -> list[Played]:
    """The voices of a melody source, at most so many, read and played plainly with the source's loudness over
    time; none if its notes cannot be read, or are of one pitch, which models read as well.

    transpose: semitones by which they are played higher; one pitch is read for that, too.

    The memory grows by 70 MB for an hour; what is played lies in a temporary file, 2 bytes a sample, which is
    gone when nothing uses it any more.

    Raises:
        UserError: the source's `blocks` raises it; there is no room in the folder of temporary files.
    """
    heard = source
    if source.rate != transcriber.SAMPLE_RATE:
        heard = Resampled(source, source.rate, transcriber.SAMPLE_RATE)
    notes = transcriber.load().transcribe(heard)
    if covered(notes, source) < SURE or (len({note.pitch for note in notes}) < 2 and not transpose):
        return []
    notes = [
        note._replace(onset=note.onset - EARLIER, offset=note.offset - EARLIER, pitch=note.pitch + transpose)
        for note in notes
    ]
    line = stopped(notes)
    parts = separate(notes, most) if at_once(line) >= SEVERAL else [line]
    rate, size = source.rate, PART * source.rate
    place = tempfile.gettempdir()
    with ExitStack() as stack, files.about(place):
        kept = [stack.enter_context(tempfile.TemporaryFile(dir=place)) for _ in parts]
        for begin, first, sound in surrounded(source.blocks(), source.samples, size, MARGIN * rate):
            within = [_within(part, first / rate, len(sound) / rate) for part in parts]
            made = torch.stack([tones.played(part, len(sound), rate) for part in within])
            made = made * _gain(sound, made.sum(dim=0))
            for file, row in zip(kept, made[:, begin - first :][:, :size].half(), strict=True):
                file.write(row.numpy().tobytes())
        for file in kept:
            file.flush()
        return [Played(source, np.memmap(file, np.float16, "r")) for file in kept]


def covered(notes: Sequence[Note], source: Levelled) -> float:
    """The share of the loud hops of a source in which notes sound, from 0 to 1; 0 of silence."""
    loud = (source.levels > LOUD).numpy()
    sounding = np.zeros(len(loud), bool)
    hops = source.rate / HOP
    for note in notes:
        sounding[max(0, int(note.onset * hops) - EARLY) : 1 + int((note.offset + RING) * hops)] = True
    return float(sounding[loud].mean()) if loud.any() else 0.0


def stopped(notes: Sequence[Note]) -> list[Note]:
    """Notes in order, each of which ends where the next one begins if it only rings on for a while then."""
    onsets = np.array([*(note.onset for note in notes), np.inf])
    ended = []
    for note in notes:
        following = float(onsets[np.searchsorted(onsets, note.onset + OVERLAP, "right")])
        rings = following < note.offset < following + RINGING
        ended.append(note._replace(offset=following) if rings else note)
    return ended


def at_once(notes: Sequence[Note]) -> float:
    """The share of the time with notes in which two or more sound, from 0 to 1."""
    count = np.zeros(1 + round(100 * max((note.offset for note in notes), default=0)), int)
    for note in notes:
        count[round(100 * (note.onset + OVERLAP)) : max(0, round(100 * (note.offset - OVERLAP)))] += 1
    return float((count > 1).sum() / max(1, (count > 0).sum()))


def _within(notes: Sequence[Note], start: float, seconds: float) -> list[Note]:
    """The notes that sound within `seconds` from `start` on, with times from there."""
    inside = (note for note in notes if note.offset + tones.FADE > start and note.onset < start + seconds)
    return [note._replace(onset=note.onset - start, offset=note.offset - start) for note in inside]


def _gain(sound: torch.Tensor, played: torch.Tensor) -> torch.Tensor:
    """The factors that give what is played the level over time of a sound; all (samples,)."""
    both = torch.stack([sound, played])[:, None]
    padded = F.pad(both.square(), (0, -len(sound) % HOP))
    power = F.avg_pool1d(F.avg_pool1d(padded, HOP), SMOOTH, 1, SMOOTH // 2, count_include_pad=False)
    wanted, own = power[:, 0].clamp_min(FAINT**2).log10()
    change = 10 ** ((10 * (wanted - own)).clamp(-MOST, MOST) / 20)
    return F.interpolate(change[None, None], size=padded.shape[-1], mode="linear")[0, 0, : len(sound)]
