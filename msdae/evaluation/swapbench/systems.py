"""The systems that are compared: bounds, which every table has, models, and any other way to swap."""

import contextlib
import hashlib
import re
import threading
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F

from msdae import audio, files
from msdae.audio import equaliser, neighbours
from msdae.audio.files import SAMPLE_RATE
from msdae.audio.resample import resampled
from msdae.codecs import Codec
from msdae.errors import UserError, printable
from msdae.evaluation.metrics.scoring import SLACK
from msdae.evaluation.swapbench.cases import CLIP_SAMPLES, CLIP_SECONDS, Case
from msdae.inference.mixing import sample
from msdae.inference.pipeline import Mix, Pipeline
from msdae.inference.voices import contours_of, finished_voices
from msdae.limits import LEARNING_SECONDS

TRUTH, COPY_MELODY, COPY_TIMBRE, CODEC = "truth", "copy melody source", "copy timbre source", "codec"
BOUNDS = (TRUTH, COPY_MELODY, COPY_TIMBRE, CODEC)
SWAPS = ((1,), (2,), (3,), (1, 2), (2, 3))  # levels that come from the timbre source

Swap = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # timbre, melody (samples,) -> (samples,)
UNTAUGHT: Mapping[str, Swap] = {neighbours.ROW: neighbours.swap, equaliser.ROW: equaliser.swap}


class Output(NamedTuple):
    """A row of the tables.

    row: name of the system. levels: those that come from the timbre source, "1,2" or "".
    """

    row: str
    levels: str = ""


@dataclass(frozen=True)
class CaseBatch:
    """Some cases and their recordings, (batch, samples) each at 44.1 kHz; truth is None if unknown."""

    cases: Sequence[Case]
    timbre: torch.Tensor
    melody: torch.Tensor
    truth: torch.Tensor | None

    @property
    def whole(self) -> torch.Tensor:
        """The recordings that reconstructions start from: the truths or, if not known, the timbre sources."""
        return self.timbre if self.truth is None else self.truth


class System(Protocol):
    """A system that makes `outputs`.

    `render` returns one of them for a batch, (batch, samples) on the CPU; any thread may call it.
    """

    outputs: tuple[Output, ...]

    def render(self, batch: CaseBatch, output: Output) -> torch.Tensor: ...


class Bounds:
    """The truth, copies of both sources, and the codec's round trip of the truth (or else the timbre source).

    codec: it is on `device`, where it runs. truth: whether the truth is known.
    """

    def __init__(self, codec: Codec, device: torch.device, truth: bool = True):
        self.outputs = tuple(Output(row) for row in BOUNDS if truth or row != TRUTH)
        self.codec, self.device = codec, device

    @torch.no_grad()
    def render(self, batch: CaseBatch, output: Output) -> torch.Tensor:
        if output.row == CODEC:
            rate = self.codec.sample_rate
            sounds = torch.stack([resampled(sound, SAMPLE_RATE, rate) for sound in batch.whole])
            trips = self.codec.decode(self.codec.encode(sounds.to(self.device))).cpu()
            return _clips(trips, rate, batch, output.row)
        return {TRUTH: batch.truth, COPY_MELODY: batch.melody, COPY_TIMBRE: batch.timbre}[output.row]


class Model:
    """A model's reconstructions (all codes are of the same recording) and swaps of its levels.

    All outputs of a case start from the same noise, which is determined by the seed and the case's id.

    Args:
        name: of its rows.
        pipeline: renders.
        swaps: sets of levels to swap; those that leave the model no other level are left out.
    """

    def __init__(self, name: str, pipeline: Pipeline, swaps: Sequence[tuple[int, ...]] = SWAPS):
        levels = set(range(1, pipeline.model.stage + 1))
        self.swaps = {_label(swap): swap for swap in swaps if set(swap) < levels}
        self.outputs = (Output(name), *(Output(name, label) for label in self.swaps))
        self.pipeline = pipeline

    def render(self, batch: CaseBatch, output: Output) -> torch.Tensor:
        if output.levels:
            return self.swap(batch, self.swaps[output.levels])
        return self._rendered(batch, [Mix(sound, sample_rate=SAMPLE_RATE) for sound in batch.whole])

    def swap(self, batch: CaseBatch, levels: Sequence[int], strength: float = 1.0) -> torch.Tensor:
        """The melody sources with the timbre sources' codes on `levels`: (batch, samples).

        strength: from 0 (own codes) to 1 (those of the timbre sources).
        """
        return self._swapped(batch, batch.timbre, levels, strength)

    def _swapped(
        self, batch: CaseBatch, sounds: Iterable[Any], levels: Sequence[int], strength: float = 1.0
    ) -> torch.Tensor:
        """The swap of each melody source with its sound, which is a timbre source or a learnt sound."""
        pairs = zip(sounds, batch.melody, strict=True)
        mixes = [Mix(m, dict.fromkeys(levels, sound), strength, SAMPLE_RATE) for sound, m in pairs]
        return self._rendered(batch, mixes)

    def _rendered(self, batch: CaseBatch, mixes: Sequence[Mix]) -> torch.Tensor:
        seed, row = self.pipeline.sampling.seed, self.outputs[0].row
        seeds = [zlib.crc32(f"{seed} {case.id}".encode()) for case in batch.cases]
        mixes = [self.pipeline.resolved(mix) for mix in mixes]
        made = [self.pipeline.mixed(mix, [mix.strength]) for mix in mixes]
        voices = [(one, seed) for seed, some in zip(seeds, made, strict=True) for _, one in some]
        try:
            latents = iter(sample(self.pipeline, *zip(*voices, strict=True)))
        except UserError as error:
            raise UserError(f"{row}: {error}") from error
        sounds = []
        for mix, some in zip(mixes, made, strict=True):
            own = [voice for voice, _ in some]
            z = [next(latents) for _ in own]
            blocks = finished_voices(self.pipeline, mix, own, z, contours_of(own))
            sounds.append(torch.cat(list(blocks)))
        return _clips(sounds, self.pipeline.codec.sample_rate, batch, row)


class Learnt(Model):
    """A model that learns the sound of the timbre source before it swaps level 1.

    Learning changes the model temporarily: nothing else may use the pipeline meanwhile.

    Args:
        name: of the model's rows. seconds: of learning for each case.
    """

    def __init__(self, name: str, pipeline: Pipeline, seconds: float = LEARNING_SECONDS):
        super().__init__(name, pipeline)
        self.outputs, self.seconds = (Output(learnt_row(name, seconds)),), seconds

    def render(self, batch: CaseBatch, output: Output) -> torch.Tensor:
        learn = partial(self.pipeline.learn, seconds=self.seconds, sample_rate=SAMPLE_RATE)
        return self._swapped(batch, map(learn, batch.timbre), (1,))


class Function:
    """Another system, given as a function of a timbre source and a melody source.

    Args:
        name: of its row.
        swap: (samples,), (samples,) at 44.1 kHz -> (samples,), a tensor or array. Its result is cut, or
            filled with silence, to the length of the melody source.
    """

    def __init__(self, name: str, swap: Swap):
        self.outputs, self.swap = (Output(name),), swap
        self._one_at_a_time = threading.Lock()

    def render(self, batch: CaseBatch, output: Output) -> torch.Tensor:
        pairs = zip(batch.timbre, batch.melody, strict=True)
        with self._one_at_a_time:
            # Clones, because a function may change its input, which other systems get, too.
            swapped = [self.swap(timbre.clone(), melody.clone()) for timbre, melody in pairs]
        return torch.stack([_fitted(waveform, batch.melody.shape[1], output.row) for waveform in swapped])


def untaught() -> list[Function]:
    """The baselines that learn nothing, `UNTAUGHT`."""
    return [Function(row, swap) for row, swap in UNTAUGHT.items()]


class Folder:
    """Another system's recordings, made elsewhere: `CASE.wav` (or .flac, .ogg, .mp3) in one folder.

    Attributes:
        fingerprint: hash of the recordings that `check` was given.

    Raises:
        UserError: no such folder.
    """

    def __init__(self, name: str, folder: str | Path):
        self.outputs, self.folder = (Output(name),), Path(folder)
        if not self.folder.is_dir():
            raise UserError(f"{folder}: no such folder; give --outputs NAME=FOLDER")

    def check(self, cases: Sequence[Case]) -> None:
        """Read the recordings of all `cases` before anything is scored.

        Raises:
            UserError: one is missing, is unreadable or differs in length from its case.
        """
        for case in cases:
            self._read(case)
        digests = " ".join(files.digest(self._path(case)) for case in cases)
        self.fingerprint = hashlib.sha256(digests.encode()).hexdigest()

    def render(self, batch: CaseBatch, output: Output) -> torch.Tensor:
        samples = batch.melody.shape[1]
        return torch.stack([_fitted(self._read(case), samples, output.row) for case in batch.cases])

    def _path(self, case: Case) -> Path:
        paths = (self.folder / f"{case.id}{suffix}" for suffix in (".wav", ".flac", ".ogg", ".mp3"))
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            raise UserError(
                f"{printable(self.folder)}: has no {case.id}.wav; swap the sources that --sources writes, "
                "for the same --split, --cases and --seed"
            )
        return path

    def _read(self, case: Case) -> torch.Tensor:
        path = self._path(case)
        waveform = audio.read(path)
        if abs(len(waveform) - CLIP_SAMPLES) > SLACK * SAMPLE_RATE:
            seconds = len(waveform) / SAMPLE_RATE
            raise UserError(
                f"{printable(path)}: {seconds:.2f} s long, its sources {CLIP_SECONDS:.2f} s; cut it to that"
            )
        return waveform


def can_learn(pipeline: Pipeline) -> bool:
    """Whether the model can learn a sound and swap it: level 1 is pooled, and there is another level."""
    model = pipeline.model
    return model.stage > 1 and model.needs_mel and model.pooled[0]


def learnt_row(name: str, seconds: float) -> str:
    """The name of the row of a model that learns for `seconds`."""
    return f"{name} {{1}} learnt" + ("" if seconds == LEARNING_SECONDS else f" {seconds:g} s")


def check_names(names: Iterable[str], reserved: Iterable[str] = ()) -> None:
    """Check the names of systems before anything is made.

    Raises:
        UserError: a name is that of another or one of `reserved`, is like that of a model's row with levels,
            or cannot be that of a file, in which the sound of a row is kept.
    """
    taken = set(reserved)
    for name in names:
        if not name or "/" in name or name in taken:
            raise UserError(f"'{name}': cannot be a name, or is one already; give another, as NAME=PATH")
        if re.search(r"[{}]|, reconstruction$| \d[\d,]*$", name):
            raise UserError(f"'{name}': a model's own rows are called so; give another name, as NAME=PATH")
        taken.add(name)


def unique(systems: Sequence[System]) -> Mapping[Output, System]:
    """Every output with the system that makes it.

    Raises:
        UserError: two outputs have the same name.
    """
    makers: dict[Output, System] = {}
    for system in systems:
        for output in system.outputs:
            if output in makers:
                raise UserError(f"{output.row}: the name of two rows; give another as NAME=PATH")
            makers[output] = system
    return makers


def _label(levels: Sequence[int]) -> str:
    return ",".join(map(str, levels))


def _clips(waveforms: Iterable[torch.Tensor], sample_rate: int, batch: CaseBatch, row: str) -> torch.Tensor:
    """Outputs at a codec's rate -> (cases, samples) at the rate and of the length of their cases."""
    samples = batch.melody.shape[1]
    return torch.stack([_fitted(resampled(w, sample_rate, SAMPLE_RATE), samples, row) for w in waveforms])


def _fitted(waveform: Any, samples: int, row: str) -> torch.Tensor:
    """(any,) -> (samples,), float32 on the CPU: cut, or filled with silence.

    Raises:
        UserError: the output is not a finite mono waveform.
    """
    with contextlib.suppress(TypeError, ValueError, RuntimeError):
        waveform = torch.as_tensor(waveform, dtype=torch.float32)
    if not isinstance(waveform, torch.Tensor) or waveform.ndim != 1 or not torch.isfinite(waveform).all():
        raise UserError(f"{row}: gave no finite mono waveform (samples,)")
    waveform = waveform.detach().cpu()[:samples]
    return F.pad(waveform, (0, samples - len(waveform)))
