"""Clips of known instruments as mels, to fit and check the learnt metrics on; rendered once and kept."""

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torchaudio

from msdae import checkpoint, codecs, files, limits
from msdae.data import parts
from msdae.data.draws import CPU
from msdae.data.sources import ClipLength
from msdae.errors import UserError, printable
from msdae.evaluation.metrics.mel import BANDS, mel_db
from msdae.progress import Progress, silent
from msdae.symbolic import corpus
from msdae.symbolic.arrange import arrange
from msdae.symbolic.instruments import POLYPHONIC, PROGRAMS, Instrument, Voice
from msdae.symbolic.notes import Note
from msdae.synthesis import effects, sampler, soundfont
from msdae.synthesis.effects import EffectsConfig
from msdae.synthesis.sampler import SampledInstrument
from msdae.synthesis.soundfont import SILENCE

KIND = "renditions"
NOTE_EVERY = 3  # one clip in three is a single note, the others are from pieces
PIECES = 120  # most pieces of a split
CLIP_SAMPLES, CLIP_SECONDS = ClipLength().samples, ClipLength().seconds
EXCERPT_SECONDS = 4 * CLIP_SECONDS  # length of the passage that a clip is cut from
ATTEMPTS = 50  # to draw a clip that is not silent
BYTES = 4 * BANDS * 100  # memory of a clip's mel: 100 frames in half precision, twice for a moment
TOGETHER, TOGETHER_ELSEWHERE = 8, 64  # clips processed at once on the CPU and on an accelerator
ROOM = EffectsConfig(room_seconds=(0.2, 1.5), room_hertz=(1500, 10000), room_level=(0.1, 0.8))


@dataclass(frozen=True)
class Recorded(Voice):
    """A voice played by recorded samples. Its program is not General MIDI's, but a number from `PROGRAMS` on.

    sampled: the instrument that plays.
    """

    sampled: SampledInstrument


@dataclass(frozen=True)
class Plan:
    """A plan for clips of one voice, which determines them entirely.

    split: of the corpus, from which the pieces are.
    clips: how many there are.
    codec: name or file of the codec that they go through, or "" for none.
    rooms: share of the clips that are played in a room, each in its own.
    """

    voice: Voice
    split: str
    clips: int
    seed: int = 0
    codec: str = ""
    rooms: float = 0.0

    @property
    def player(self) -> str:
        """A name that tells voices apart, by a hash of the SoundFont or samples that play."""
        if isinstance(self.voice, Recorded):
            return f"{self.voice.sampled.fingerprint}-{PROGRAMS}"
        return f"{soundfont.fingerprint(self.voice.soundfont)}-{self.voice.instrument.program}"

    @property
    def name(self) -> str:
        """A name that tells plans apart, for the file of the clips."""
        codec = self.codec and _identity(self.codec)[:16]
        settings = (self.player, self.split, self.clips, self.seed, codec, self.rooms or "")
        return "-".join(map(str, settings)).rstrip("-")


@dataclass(frozen=True)
class Renditions:
    """Clips and their labels.

    mels: (clips, BANDS, frames), float16, in dB.
    instruments: (clips,), a number for each pair of SoundFont and program, and for each recorded instrument.
    programs: (clips,), as of `Voice`. pieces: (clips,), names of the pieces; that of a single note has its
        pitch.
    """

    mels: torch.Tensor
    instruments: np.ndarray
    programs: np.ndarray
    pieces: np.ndarray

    def take(self, rows: np.ndarray) -> "Renditions":
        """The clips with the indices `rows`, which may repeat."""
        mels = self.mels[torch.from_numpy(rows)]
        return Renditions(mels, self.instruments[rows], self.programs[rows], self.pieces[rows])


def recorded(
    libraries: Sequence[str | Path],
    held_out: Sequence[str | Path] = (),
    is_held_out: Callable[[str], bool] = lambda name: False,
) -> tuple[list[Recorded], list[Recorded]]:
    """The recorded instruments to learn from, and those that are only checked with.

    libraries: of recorded samples. held_out: libraries whose instruments are only checked with, even if they
        are in `libraries`, too.
    is_held_out: function of a name; the instruments for which it is true are only checked with, too.

    Raises:
        UserError: as `sampler.instruments`.
    """
    unseen = [one for library in held_out for one in sampler.instruments(library)]
    every = [one for library in libraries for one in sampler.instruments(library)]
    unseen += [one for one in every if is_held_out(one.name)]
    seen = [
        one
        for one in every
        if not is_held_out(one.name) and not any(sampler.shared(one, other) for other in unseen)
    ]
    unseen = list({one.fingerprint: one for one in unseen}.values())
    seen = list({one.fingerprint: one for one in seen}.values())
    voices = [_recorded(one, number) for number, one in enumerate([*seen, *unseen])]
    return voices[: len(seen)], voices[len(seen) :]


def _recorded(one: SampledInstrument, number: int) -> Recorded:
    family = POLYPHONIC[0] if one.polyphonic else ""
    kind = Instrument(PROGRAMS + number, one.name, family, "acoustic", one.low, one.high)
    return Recorded(one.path, kind, number, number, one)


def render(
    plans: Sequence[Plan],
    folder: str | Path,
    label: str,
    workers: int | None = None,
    progress: Progress = silent,
    device: torch.device = CPU,
) -> Renditions:
    """The clips of all plans, in their order; clips that are in `folder` already are not rendered again.

    label: says in progress bars what the clips are for. workers: number of processes.
    device: to run codecs on. On an accelerator, this process runs them after the others have rendered.

    Raises:
        UserError: a SoundFont cannot be read or lacks a program, an extra is not installed, or there is too
            little memory.
    """
    folder = Path(folder)
    files.make_folder(folder)
    clips = sum(plan.clips for plan in plans)
    limits.require_memory(BYTES * clips, f"{clips} clips", "give fewer --clips")
    work = [parts.Part(_render_plan, plan, folder / f"{plan.name}.safetensors", plan.clips) for plan in plans]
    if device.type == "cpu":
        parts.run(work, label, "clip", workers, progress)
    else:
        _run_apart(work, label, workers, progress, device)
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


def _run_apart(
    work: Sequence[parts.Part], label: str, workers: int | None, progress: Progress, device: torch.device
) -> None:
    """Do the parts of `work`: other processes render, and this one runs codecs on `device`."""
    coded = [part for part in work if part.task.codec and not part.path.exists()]
    plain = [part for part in work if not part.task.codec]
    sounds = [replace(part, work=_render_sounds, path=part.path.with_suffix(".sounds")) for part in coded]
    parts.run([*plain, *sounds], label, "clip", workers, progress)
    for part, sound in zip(progress(coded, desc="through codecs", unit="part"), sounds, strict=True):
        tensors, header = checkpoint.load(sound.path, KIND)
        _save_mels(part.task, part.path, header["pieces"], tensors["sounds"].to(device).float())
        sound.path.unlink()


def _render_plan(plan: Plan, path: Path) -> None:
    _save_mels(plan, path, *_clips(plan))


def _render_sounds(plan: Plan, path: Path) -> None:
    """Write the waveforms of the plan's clips, before they go through the codec."""
    pieces, waveforms = _clips(plan)
    checkpoint.save(path, KIND, {"sounds": waveforms.half()}, {"pieces": pieces})


def _save_mels(plan: Plan, path: Path, pieces: list[str], waveforms: torch.Tensor) -> None:
    group = TOGETHER if waveforms.device.type == "cpu" else TOGETHER_ELSEWHERE
    if plan.codec:
        waveforms = torch.cat([_coded(some, plan.codec) for some in waveforms.split(group)])
    mels = torch.cat([mel_db(some, soundfont.SAMPLE_RATE) for some in waveforms.split(group)])
    checkpoint.save(path, KIND, {"mels": mels.half().cpu()}, {"pieces": pieces})


def _clips(plan: Plan) -> tuple[list[str], torch.Tensor]:
    """The pieces' names and the waveforms (clips, CLIP_SAMPLES) of a plan."""
    voice = plan.voice
    name = voice.sampled.fingerprint if isinstance(voice, Recorded) else voice.instrument.program
    rng = random.Random(f"renditions/{plan.seed}/{plan.split}/{name}")
    clips = [_clip(plan, index, rng) for index in range(plan.clips)]
    return [piece for piece, _ in clips], torch.stack([waveform for _, waveform in clips])


def _clip(plan: Plan, index: int, rng: random.Random) -> tuple[str, torch.Tensor]:
    """A piece's name and the waveform (CLIP_SAMPLES,) of one clip."""
    for _ in range(ATTEMPTS):
        piece, notes = _note(plan.voice, rng) if index % NOTE_EVERY == 0 else _excerpt(plan, rng)
        if notes:
            waveform = _played(plan.voice, notes)
            if plan.rooms and float(waveform.abs().max()) > SILENCE:
                roomy, seed = rng.random() < plan.rooms, rng.getrandbits(32)
                waveform = _in_room(waveform, notes, seed) if roomy else waveform
            peak = float(waveform.abs().max())
            if peak > SILENCE:
                return piece, waveform * (rng.uniform(0.2, 0.9) / peak)
    raise UserError(
        f"{printable(plan.voice.soundfont)}: {printable(plan.voice.instrument.name)} stays silent; "
        "use another SoundFont or library"
    )


def _played(voice: Voice, notes: Sequence[Note]) -> torch.Tensor:
    if isinstance(voice, Recorded):
        return torch.from_numpy(sampler.render(notes, voice.sampled, CLIP_SAMPLES))
    return soundfont.render(notes, voice.soundfont, voice.instrument.program, CLIP_SAMPLES)


def _in_room(waveform: torch.Tensor, notes: Sequence[Note], seed: int) -> torch.Tensor:
    return torch.from_numpy(effects.room(waveform.numpy(), notes, random.Random(seed), ROOM))


@torch.no_grad()
def _coded(waveforms: torch.Tensor, codec: str) -> torch.Tensor:
    """The waveforms (clips, samples) encoded and decoded by a codec, of equal shape."""
    network = _codec(codec, str(waveforms.device))
    old, new = soundfont.SAMPLE_RATE, network.sample_rate
    decoded = network.decode(network.encode(torchaudio.functional.resample(waveforms, old, new)))
    return torchaudio.functional.resample(decoded, new, old)[:, : waveforms.shape[1]]


def _note(voice: Voice, rng: random.Random) -> tuple[str, list[Note]]:
    pitch = rng.randint(voice.instrument.low, voice.instrument.high)
    onset = rng.choice((0.0, rng.uniform(0, 0.5)))
    return f"note {pitch}", [(onset, onset + rng.uniform(0.5, CLIP_SECONDS), pitch, rng.randint(30, 127))]


def _excerpt(plan: Plan, rng: random.Random) -> tuple[str, list[Note]]:
    """A piece's name, and the notes of a clip from it; none if too few of its notes suit the instrument."""
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


_parts = corpus.parts
_codec = functools.cache(codecs.load)


@functools.cache
def _identity(codec: str) -> str:
    return _codec(codec, "cpu").identity
