"""What is compared: the bounds that every table has, models, and any other way to swap."""

import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch

from msdae import audio
from msdae.audio.mel import LogMel
from msdae.codecs import Codec
from msdae.diffusion.samplers import sample
from msdae.errors import UserError
from msdae.evaluation.swapbench.cases import CLIP_SAMPLES, Case
from msdae.inference.pipeline import Sampling
from msdae.models.autoencoder import Autoencoder

TRUTH, COPY_MELODY, COPY_TIMBRE, CODEC = "truth", "copy melody source", "copy timbre source", "codec"
BOUNDS = (TRUTH, COPY_MELODY, COPY_TIMBRE, CODEC)
SWAPS = ((1,), (2,), (3,), (1, 2), (2, 3))  # levels that come from the timbre source

Swap = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # timbre, melody (samples,) -> (samples,)


class Output(NamedTuple):
    """A line of the tables: what made it, and which levels came from the timbre source ("1,2", or "")."""

    row: str
    levels: str = ""


@dataclass(frozen=True)
class Batch:
    """Some cases and their recordings, (batch, samples) each; truth: None where nobody knows it."""

    cases: Sequence[Case]
    timbre: torch.Tensor
    melody: torch.Tensor
    truth: torch.Tensor | None

    @property
    def whole(self) -> torch.Tensor:
        """What a reconstruction starts from: the truth, or else the timbre source."""
        return self.timbre if self.truth is None else self.truth


class System(Protocol):
    """Makes `outputs`; `render` gives one of them for a batch, (batch, samples) on the CPU, on any thread."""

    outputs: tuple[Output, ...]

    def render(self, batch: Batch, output: Output) -> torch.Tensor: ...


class Bounds:
    """Truth (where it is known), both copies, and the codec's round trip of the truth (or timbre source)."""

    def __init__(self, codec: Codec, device: torch.device, truth: bool = True):
        self.outputs = tuple(Output(row) for row in BOUNDS if truth or row != TRUTH)
        self.codec, self.device = codec, device

    @torch.no_grad()
    def render(self, batch: Batch, output: Output) -> torch.Tensor:
        if output.row == CODEC:
            latents = self.codec.encode(batch.whole.to(self.device))
            return self.codec.decode(latents)[:, :CLIP_SAMPLES].cpu()
        return {TRUTH: batch.truth, COPY_MELODY: batch.melody, COPY_TIMBRE: batch.timbre}[output.row]


class Model:
    """A model's reconstruction (all codes from what it starts from) and swaps of its levels.

    All outputs of a case start from the same noise, which follows from the seed and the case's id alone.

    Args:
        name: of its rows.
        model: on the device where it runs; it swaps each set of `swaps` that leaves some level alone.
        codec: the one that the model was trained on, on the same device.

    Raises:
        UserError: the codec is another than the model's.
    """

    def __init__(
        self,
        name: str,
        model: Autoencoder,
        codec: Codec,
        sampling: Sampling = Sampling(),
        swaps: Sequence[tuple[int, ...]] = SWAPS,
    ):
        if model.config.codec.fingerprint != codec.fingerprint:
            raise UserError(
                f"{name}: trained on codec '{model.config.codec.name}', others here on '{codec.name}'; "
                "evaluate models of one codec together and give each codec its own --out"
            )
        levels = set(range(1, model.stage + 1))
        self.swaps = {_label(swap): swap for swap in swaps if set(swap) < levels}
        self.outputs = (Output(name), *(Output(name, label) for label in self.swaps))
        self.model, self.codec, self.sampling = model.eval(), codec, sampling
        self.device = next(model.parameters()).device
        self.log_mel = LogMel(model.config.mel).to(self.device)

    @torch.no_grad()
    def render(self, batch: Batch, output: Output) -> torch.Tensor:
        if output.levels:
            return self.swap(batch, self.swaps[output.levels])
        return self._sampled(batch, self._encode(batch.whole), output.row)

    @torch.no_grad()
    def swap(self, batch: Batch, levels: Sequence[int], strength: float = 1.0) -> torch.Tensor:
        """The melody sources with the timbre sources' codes on `levels`, or on the way there."""
        strengths = [strength * (level in levels) for level in range(1, self.model.stage + 1)]
        codes = self.model.mix(self._encode(batch.melody), self._encode(batch.timbre), strengths)
        return self._sampled(batch, codes, self.outputs[0].row)

    def _sampled(self, batch: Batch, codes: list[torch.Tensor], row: str) -> torch.Tensor:
        noise = torch.stack([self._noise(case) for case in batch.cases]).to(self.device)
        denoiser = self.model.denoiser(codes, self.sampling.guidance)
        z = sample(denoiser, noise, self.sampling.steps, self.sampling.sampler)
        if not torch.isfinite(z).all():
            raise UserError(f"{row}: the model gave NaN or infinite latents; use another checkpoint")
        return self.codec.decode(z)[:, :CLIP_SAMPLES].cpu()

    def _encode(self, waveforms: torch.Tensor) -> list[torch.Tensor]:
        waveforms = waveforms.to(self.device)
        if self.model.needs_mel:
            return self.model.encode(None, self.log_mel(waveforms))
        return self.model.encode(self.codec.encode(waveforms), None)

    def _noise(self, case: Case) -> torch.Tensor:
        generator = np.random.default_rng([self.sampling.seed, zlib.crc32(case.id.encode())])
        return torch.from_numpy(
            generator.standard_normal(
                (self.codec.channels, self.codec.frames(CLIP_SAMPLES)), dtype=np.float32
            )
        )


class Function:
    """Any function of a timbre source and a melody source: somebody else's system.

    Args:
        name: of its row.
        swap: (samples,), (samples,) at 44.1 kHz -> (samples,); what is longer than the melody source is cut,
            what is shorter is filled with silence.
    """

    def __init__(self, name: str, swap: Swap):
        self.outputs, self.swap = (Output(name),), swap
        self._one_at_a_time = threading.Lock()

    def render(self, batch: Batch, output: Output) -> torch.Tensor:
        pairs = zip(batch.timbre, batch.melody, strict=True)
        with self._one_at_a_time:
            return torch.stack([_fitted(self.swap(*pair), output.row) for pair in pairs])


class Folder:
    """Recordings made elsewhere: `CASE.wav` (or .flac, .ogg, .mp3) in one folder.

    Raises:
        UserError: no such folder.
    """

    def __init__(self, name: str, folder: str | Path):
        self.outputs, self.folder = (Output(name),), Path(folder)
        if not self.folder.is_dir():
            raise UserError(f"{folder}: no such folder; give --outputs NAME=FOLDER")

    def render(self, batch: Batch, output: Output) -> torch.Tensor:
        return torch.stack([self._read(case, output.row) for case in batch.cases])

    def _read(self, case: Case, row: str) -> torch.Tensor:
        paths = (self.folder / f"{case.id}{suffix}" for suffix in (".wav", ".flac", ".ogg", ".mp3"))
        found = next((path for path in paths if path.is_file()), None)
        if found is None:
            raise UserError(
                f"{self.folder}: has no {case.id}.wav; swap the sources that --sources writes, for the same "
                "--split, --cases and --seed"
            )
        return _fitted(audio.read(found), row)


def unique(systems: Sequence[System]) -> Mapping[Output, System]:
    """Every output and the system that makes it.

    Raises:
        UserError: two have one name.
    """
    made: dict[Output, System] = {}
    for system in systems:
        for output in system.outputs:
            if output in made:
                raise UserError(f"{output.row}: the name of two rows; give another as NAME=PATH")
            made[output] = system
    return made


def _label(levels: Sequence[int]) -> str:
    return ",".join(map(str, levels))


def _fitted(waveform: torch.Tensor, row: str) -> torch.Tensor:
    """(samples,) -> one clip (131072,)."""
    if waveform.ndim != 1 or not torch.isfinite(waveform).all():
        raise UserError(f"{row}: gave no finite mono waveform (samples,)")
    clip = torch.zeros(CLIP_SAMPLES)
    clip[: len(waveform)] = waveform[:CLIP_SAMPLES].detach().cpu()
    return clip
