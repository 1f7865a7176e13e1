"""Sound in, sound out, any length: reconstruct recordings, swap codes between them, or interpolate."""

import itertools
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from tqdm import tqdm

from msdae import audio, codecs
from msdae.audio.loudness import PEAK, Loudness, Mastering, master, measure
from msdae.audio.mel import LogMel
from msdae.audio.windows import Source, Waveform, batched, count, crossfade, cut, join, looped, padded
from msdae.codecs.base import Codec
from msdae.diffusion.samplers import SAMPLERS, sample
from msdae.errors import UserError
from msdae.models.autoencoder import Autoencoder
from msdae.nn.device import device as device_of

WINDOW = 32  # latent frames rendered at once: the length of a training clip
OVERLAP = 8  # latent frames that neighbouring windows share and are crossfaded over
STRIDE = WINDOW - OVERLAP
ALIGNMENTS = ("loop", "average")
Codes = list[torch.Tensor]


@dataclass(frozen=True)
class Sampling:
    """How latents are sampled.

    steps: sampling steps, 1 or more.
    sampler: the solver of the ODE.
    guidance: one weight, or one a level, coarse to fine; 1 is as trained; None: the configured ones.
    seed: the noise of each latent frame follows from it and the frame's position alone.

    Raises:
        UserError: no steps, an unknown sampler or a negative seed.
    """

    steps: int = 20
    sampler: str = "dpmpp_2m"
    guidance: tuple[float, ...] | None = None
    seed: int = 0

    def __post_init__(self):
        if self.steps < 1:
            raise UserError(f"steps {self.steps}: at least 1 is needed")
        SAMPLERS[self.sampler]  # says which ones there are
        if self.seed < 0:
            raise UserError(f"seed {self.seed}: give 0 or more")
        if not all(math.isfinite(weight) for weight in self.guidance or ()):
            raise UserError(f"guidance {self.guidance}: give finite weights")


@dataclass(frozen=True)
class Mix:
    """What a rendering is made of.

    melody: gives the length, the loudness and the codes of all levels but those in `levels`.
    levels: {level: source}, the sources that other levels' codes come from; levels run from 1 (coarse).
    strength: 0 takes the melody source's codes on those levels too, 1 their own sources', between is between.
    align: other sources are repeated or cut to the melody's length ("loop"), or their codes are averaged over
        time ("average").

    Raises:
        UserError: a strength outside 0 to 1, an unknown alignment.
    """

    melody: Source
    levels: Mapping[int, Source] = field(default_factory=dict)
    strength: float = 1.0
    align: str = "loop"

    def __post_init__(self):
        if not 0 <= self.strength <= 1:
            raise UserError(f"strength {self.strength}: give 0 (melody source) to 1 (timbre source)")
        if self.align not in ALIGNMENTS:
            raise UserError(f"align '{self.align}': choose one of {', '.join(ALIGNMENTS)}")


class Pipeline:
    """A model and its codec, ready to render.

    Args:
        model: its parameters' device is where everything runs.
        codec: the one that the model was trained on, on the same device.
        sampling: steps, sampler, guidance and seed.
        batch: windows rendered at once; speed and memory depend on it, the result does not.

    Raises:
        UserError: the codec is another than the model's.
    """

    def __init__(self, model: Autoencoder, codec: Codec, sampling: Sampling = Sampling(), batch: int = 8):
        trained_on = model.config.codec
        if codec.fingerprint != trained_on.fingerprint:
            raise UserError(
                f"codec '{codec.name}' ({codec.fingerprint[:12]}) is not the one that the model was trained "
                f"on ('{trained_on.name}', {trained_on.fingerprint[:12]}); "
                "take a checkpoint trained on this codec, or that codec's file"
            )
        self.model, self.codec, self.sampling, self.batch = model.eval(), codec.eval(), sampling, batch
        self.device = next(model.parameters()).device
        self.log_mel = LogMel(model.config.mel).to(self.device)

    @classmethod
    def from_pretrained(
        cls,
        checkpoint: str | Path = "embedded",
        device: str = "auto",
        sampling: Sampling = Sampling(),
        codec: str | None = None,
    ) -> "Pipeline":
        """The pipeline of a checkpoint: "embedded", a file, a folder or a hub repository.

        codec: name or file of the codec; by default the name that the checkpoint gives.

        Raises:
            UserError: no such checkpoint or codec, or they do not belong together.
        """
        where = device_of(device)
        model = Autoencoder.from_pretrained(checkpoint).to(where)
        return cls(model, codecs.load(codec or model.config.codec.name, str(where)), sampling)

    @torch.no_grad()
    def encode(self, waveform: torch.Tensor) -> Codes:
        """waveform: (samples,) at 44.1 kHz -> [h_1, ...], each (windows, code_channels, code frames).

        Window w covers the latent frames 24 w to 24 w + 32 of the waveform.

        Raises:
            UserError: not mono, empty, NaN or infinite.
        """
        batches = list(self._encoded(self._windows(Waveform(waveform))))
        return [torch.cat(levels) for levels in zip(*batches, strict=True)]

    def reconstruct(self, waveform: torch.Tensor) -> torch.Tensor:
        """`waveform` (samples,) taken apart and put together again: (samples,); errors as `render`."""
        return self.render(Mix(Waveform(waveform)))

    def swap(
        self,
        timbre: torch.Tensor,
        melody: torch.Tensor,
        levels: Sequence[int] = (1,),
        strength: float = 1.0,
        align: str = "loop",
    ) -> torch.Tensor:
        """`melody` with the codes of `timbre` on `levels`, see `Mix`; both (samples,), and so the result."""
        return self.render(Mix(Waveform(melody), dict.fromkeys(levels, Waveform(timbre)), strength, align))

    def interpolate(
        self, timbre: torch.Tensor, melody: torch.Tensor, count: int = 5, levels: Sequence[int] = (1, 2, 3)
    ) -> list[torch.Tensor]:
        """`count` swaps of strength 0 (`melody`) to 1 (`timbre` on `levels`), evenly spaced."""
        return [self.swap(timbre, melody, levels, strength) for strength in strengths(count)]

    def render(self, mix: Mix) -> torch.Tensor:
        """The mix, as long and as loud as its melody source: (samples,), peaks under -1 dBFS.

        Raises:
            UserError: a level that the model does not have, or a model that gives NaN.
        """
        rendered, loudness = [], Loudness(self.codec.sample_rate)
        for block in self.stream(mix):
            loudness.add(block)
            rendered.append(block)
        return torch.cat(rendered) * master(loudness, measure(mix.melody, self.codec.sample_rate)).gain

    def render_file(self, mix: Mix, path: str | Path, description: str | None = None) -> Mastering:
        """`render` into a wav, flac or ogg file, in memory that does not grow with the length.

        description: what a progress bar says; without it there is none.

        Raises:
            UserError: as `render`; a source cannot be read to its end; the file cannot be written.
        """
        audio.check_writable(path)
        rate = self.codec.sample_rate
        references = {source: measure(source, rate) for source in {mix.melody, *mix.levels.values()}}
        with tempfile.TemporaryFile(dir=Path(path).parent) as scratch:
            loudness = Loudness(rate)
            for block in self.stream(mix, description):
                loudness.add(block)
                _spool(block, scratch)
            mastering = master(loudness, references[mix.melody])
            audio.write_blocks(path, _scaled(scratch, mastering.gain), rate)
            while (peak := measure(audio.open_recording(path), rate).peak) >= PEAK:  # Vorbis overshoots
                mastering = Mastering(mastering.gain * 0.98 * PEAK / peak, limited=True)
                audio.write_blocks(path, _scaled(scratch, mastering.gain), rate)
        return mastering

    @torch.no_grad()
    def stream(self, mix: Mix, description: str | None = None) -> Iterator[torch.Tensor]:
        """Consecutive blocks (samples,) of the mix on the CPU, before its loudness is matched."""
        levels = range(1, self.model.stage + 1)
        if unknown := [level for level in mix.levels if level not in levels]:
            raise UserError(f"level {unknown[0]}: this model has levels 1 to {self.model.stage}")
        left = mix.melody.samples
        total, silent = self._count(left), description is None
        with tqdm(total=total, desc=description, unit="window", disable=silent) as bar:
            latents = self._latents(self._mixed(mix), bar)
            wanted = _first(latents, self.codec.frames(left))
            for block in self.codec.stream(z[None] for z in wanted):
                block = block[0, :left].cpu()
                left -= len(block)
                yield block

    # -- sound to codes

    def _count(self, samples: int) -> int:
        return count(self.codec.frames(samples), WINDOW, STRIDE)

    def _windows(self, source: Source) -> Iterator[torch.Tensor]:
        """Windows of `source`, the last filled with silence."""
        frames = WINDOW + STRIDE * (self._count(source.samples) - 1)
        return self._cut(padded(source, frames * self.codec.hop))

    def _cut(self, blocks: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        return cut(blocks, WINDOW * self.codec.hop, STRIDE * self.codec.hop)

    def _encoded(self, windows: Iterable[torch.Tensor]) -> Iterator[Codes]:
        """Windows (samples,) -> codes of batches of them."""
        for batch in batched(windows, self.batch):
            waveforms = torch.stack(batch).to(self.device)
            if self.model.needs_mel:
                codes = self.model.encode(None, self.log_mel(waveforms))
            else:
                codes = self.model.encode(self.codec.encode(waveforms), None)
            yield codes

    def _aligned(self, source: Source, mix: Mix) -> Iterator[Codes]:
        """Codes of `source` for the batches of windows of the melody source."""
        repeated = lambda windows: itertools.islice(self._cut(looped(source)), windows)  # noqa: E731
        if mix.align == "loop" and not any(self.model.pooled):
            return self._encoded(repeated(self._count(mix.melody.samples)))
        average = _average(self._encoded(repeated(self._count(source.samples))))
        if mix.align == "average" or all(self.model.pooled):
            return itertools.repeat(average)
        looped_codes = self._encoded(repeated(self._count(mix.melody.samples)))
        return (self._with_whole(codes, average) for codes in looped_codes)

    def _with_whole(self, codes: Codes, average: Codes) -> Codes:
        """`codes`, but the average over the whole source where a level's code is one frame anyway."""
        return [
            whole if pooled else code
            for code, whole, pooled in zip(codes, average, self.model.pooled, strict=True)
        ]

    def _mixed(self, mix: Mix) -> Iterator[Codes]:
        """Codes of batches of windows, each level from its own source."""
        sources = list(dict.fromkeys(mix.levels.values()))
        weights = [mix.strength if level in mix.levels else 0.0 for level in range(1, self.model.stage + 1)]
        contents = self._encoded(self._windows(mix.melody))
        aligned = [self._aligned(source, mix) for source in sources]
        for content, *others in zip(contents, *aligned, strict=False):  # averaged codes never end
            by_source = dict(zip(sources, others, strict=True))
            wanted = list(content)
            for level, source in mix.levels.items():
                wanted[level - 1] = by_source[source][level - 1]
            yield self.model.mix(content, wanted, weights)

    # -- codes to sound

    def _latents(self, batches: Iterable[Codes], bar: tqdm) -> Iterator[torch.Tensor]:
        """Codes of batches of windows -> consecutive blocks of latents (channels, frames)."""
        return join(self._sampled(batches, bar), OVERLAP, crossfade)

    def _sampled(self, batches: Iterable[Codes], bar: tqdm) -> Iterator[torch.Tensor]:
        first = 0
        for codes in batches:
            number = len(codes[0])
            noise = torch.stack([self._noise(window) for window in range(first, first + number)])
            denoiser = self.model.denoiser(codes, self.sampling.guidance)
            z = sample(denoiser, noise.to(self.device), self.sampling.steps, self.sampling.sampler)
            if not torch.isfinite(z).all():
                raise UserError("the model gave NaN or infinite latents; use another checkpoint")
            yield from z
            first += number
            bar.update(number)

    def _noise(self, window: int) -> torch.Tensor:
        """Standard normal (channels, WINDOW); what two windows share is equal in both."""
        drawn = [
            np.random.default_rng([self.sampling.seed, block]).standard_normal(
                (self.codec.channels, STRIDE), dtype=np.float32
            )
            for block in (window, window + 1)
        ]
        return torch.from_numpy(np.concatenate(drawn, axis=1)[:, :WINDOW])


def strengths(count: int) -> list[float]:
    """`count` numbers from 0 to 1, evenly spaced.

    Raises:
        UserError: fewer than two.
    """
    if count < 2:
        raise UserError(f"count {count}: a series has at least 2 recordings")
    return [index / (count - 1) for index in range(count)]


def _average(batches: Iterable[Codes]) -> Codes:
    """Mean over windows and time of each level's codes: (1, channels, 1)."""
    levels = zip(*batches, strict=True)
    return [torch.cat(codes).mean(dim=(0, 2))[None, :, None] for codes in levels]


def _first(blocks: Iterable[torch.Tensor], length: int) -> Iterator[torch.Tensor]:
    """The first `length` of a signal in blocks (..., any)."""
    for block in blocks:
        if length <= 0:
            return
        yield block[..., :length]
        length -= block.shape[-1]


def _spool(block: torch.Tensor, file: BinaryIO) -> None:
    try:
        block.numpy().tofile(file)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"the rendering cannot be kept beside the output ({reason}); make space there"
        ) from error


def _scaled(file: BinaryIO, gain: float) -> Iterator[torch.Tensor]:
    """The float32 samples in `file`, from its start, times `gain`, in blocks."""
    file.seek(0)
    while data := file.read(4 * audio.BLOCK):
        yield torch.frombuffer(bytearray(data), dtype=torch.float32) * gain
