"""Clips of known instruments as mels, rendered once and kept, to fit and to check learnt metrics on."""

import functools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from msdae import checkpoint, codecs, files, limits
from msdae.data import parts
from msdae.data.sources import ClipLength
from msdae.errors import UserError
from msdae.evaluation.metrics.mel import BANDS, mel_db
from msdae.progress import Progress, silent
from msdae.symbolic import corpus
from msdae.symbolic.arrange import arrange
from msdae.symbolic.instruments import Voice
from msdae.symbolic.notes import Note
from msdae.synthesis import soundfont
from msdae.synthesis.soundfont import SILENCE

KIND = "renditions"
NOTE_EVERY = 3  # of the clips, one is a single note, the others are from pieces
PIECES = 120  # of a split, at most
CLIP_SAMPLES, CLIP_SECONDS = ClipLength().samples, ClipLength().seconds
EXCERPT_SECONDS = 4 * CLIP_SECONDS  # that a clip is cut from
ATTEMPTS = 50
BYTES = 4 * BANDS * 100  # of memory that the mel of a clip takes, twice for a moment


@dataclass(frozen=True)
class Plan:
    """Clips of one voice; everything about them follows from these.

    split: that their pieces belong to. codec: name of the codec that they go through, or "".
    """

    voice: Voice
    split: str
    clips: int
    seed: int = 0
    codec: str = ""

    @property
    def name(self) -> str:
        """Tells plans apart, and SoundFonts by their bytes."""
        font = _fingerprint(self.voice.soundfont)
        settings = (font, self.voice.instrument.program, self.split, self.clips, self.seed, self.codec)
        return "-".join(map(str, settings)).rstrip("-")


@dataclass(frozen=True)
class Renditions:
    """mels: (clips, BANDS, frames), float16, dB; instruments, programs and pieces of each clip.

    instruments: numbers that tell pairs of SoundFont and program apart. A single note's piece is its pitch.
    """

    mels: torch.Tensor
    instruments: np.ndarray
    programs: np.ndarray
    pieces: np.ndarray

    def take(self, rows: np.ndarray) -> "Renditions":
        """The clips at `rows`, which may repeat."""
        mels = self.mels[torch.from_numpy(rows)]
        return Renditions(mels, self.instruments[rows], self.programs[rows], self.pieces[rows])


def render(
    plans: Sequence[Plan],
    folder: str | Path,
    label: str,
    workers: int | None = None,
    progress: Progress = silent,
) -> Renditions:
    """The clips of all plans, in order; those in `folder` already are read from there.

    Raises:
        UserError: a SoundFont cannot be read or lacks a program, or an extra is not installed.
    """
    folder = Path(folder)
    files.make_folder(folder)
    clips = sum(plan.clips for plan in plans)
    limits.require_memory(BYTES * clips, f"{clips} clips", "give fewer --clips")
    work = [parts.Part(_render_plan, plan, folder / f"{plan.name}.safetensors", plan.clips) for plan in plans]
    parts.run(work, label, "clip", workers, progress)
    loaded = [checkpoint.load(part.path, KIND) for part in work]
    voices = list(dict.fromkeys((plan.voice.soundfont, plan.voice.instrument.program) for plan in plans))
    numbers = [
        voices.index((plan.voice.soundfont, plan.voice.instrument.program))
        for plan in plans
        for _ in range(plan.clips)
    ]
    return Renditions(
        torch.cat([tensors["mels"] for tensors, _ in loaded]),
        np.array(numbers),
        np.array([voices[number][1] for number in numbers]),
        np.array([piece for _, header in loaded for piece in header["pieces"]]),
    )


def _render_plan(plan: Plan, path: Path) -> None:
    rng = random.Random(f"renditions/{plan.seed}/{plan.split}/{plan.voice.instrument.program}")
    clips = [_clip(plan, index, rng) for index in range(plan.clips)]
    waveforms = torch.stack([waveform for _, waveform in clips])
    if plan.codec:
        codec = _codec(plan.codec)
        waveforms = torch.cat([codec.decode(codec.encode(some)) for some in waveforms.split(8)])
    mels = torch.cat([mel_db(some, soundfont.SAMPLE_RATE) for some in waveforms.split(8)])
    checkpoint.save(path, KIND, {"mels": mels.half()}, {"pieces": [piece for piece, _ in clips]})


def _clip(plan: Plan, index: int, rng: random.Random) -> tuple[str, torch.Tensor]:
    """A piece's name and the waveform (CLIP_SAMPLES,)."""
    for _ in range(ATTEMPTS):
        piece, notes = _note(plan.voice, rng) if index % NOTE_EVERY == 0 else _excerpt(plan, rng)
        if notes:
            waveform = soundfont.render(
                notes, plan.voice.soundfont, plan.voice.instrument.program, CLIP_SAMPLES
            )
            peak = float(waveform.abs().max())
            if peak > SILENCE:
                return piece, waveform * (rng.uniform(0.2, 0.9) / peak)
    raise UserError(
        f"{plan.voice.soundfont}: program {plan.voice.instrument.program} stays silent; use another SoundFont"
    )


def _note(voice: Voice, rng: random.Random) -> tuple[str, list[Note]]:
    pitch = rng.randint(voice.instrument.low, voice.instrument.high)
    onset = rng.choice((0.0, rng.uniform(0, 0.5)))
    return f"note {pitch}", [(onset, onset + rng.uniform(0.5, CLIP_SECONDS), pitch, rng.randint(30, 127))]


def _excerpt(plan: Plan, rng: random.Random) -> tuple[str, list[Note]]:
    """A clip's worth of notes from a piece, none where the instrument has too few in it."""
    piece = rng.choice(_pieces(plan.split))
    stems = arrange(_parts(piece), [plan.voice], EXCERPT_SECONDS, rng)
    if not stems:
        return piece, []
    notes = rng.choice(stems).notes
    start = rng.choice(notes)[0]
    moved = [(onset - start, offset - start, *rest) for onset, offset, *rest in notes]
    return piece, [note for note in moved if 0 <= note[0] < CLIP_SECONDS]


@functools.cache
def _pieces(split: str) -> tuple[str, ...]:
    pieces = corpus.pieces(split)
    return tuple(random.Random("renditions").sample(pieces, min(PIECES, len(pieces))))


_fingerprint = functools.cache(soundfont.fingerprint)
_parts = corpus.parts
_codec = functools.cache(codecs.load)
