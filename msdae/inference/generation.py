"""Music that a prior draws and a model renders: what is given is kept, what is missing is sampled."""

import dataclasses
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from msdae import audio
from msdae.audio.limiter import limited
from msdae.audio.loudness import CEILING, Loudness, Mastering, measure
from msdae.audio.windows import Changed, Source, crossfade_level
from msdae.data.draws import mix_seed
from msdae.errors import UserError
from msdae.inference.codes import Codes
from msdae.inference.decoding import decoded
from msdae.inference.encoding import timbre_of
from msdae.inference.mastering import mastered, write_mastered
from msdae.inference.pipeline import Pipeline
from msdae.inference.sounds import known_codes
from msdae.inference.sources import as_source, levelled, require_audible
from msdae.inference.timelines import room, timeline, windowed
from msdae.models.priors.base import Condition, Prior, kept_frames
from msdae.models.priors.settings import SECONDS, PriorSampling
from msdae.progress import Progress, silent, wholes

LOUDNESS = -18.0  # LUFS of what has no source to be as loud as
QUIET = 1e-4  # root mean square of what is not made louder
FADE_SECONDS = 0.05  # in which a recording goes over into its continuation

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What is asked for.

    seconds: of new music; with a melody source its length.
    timbre: the timbre source, a `LearntSound`, or `Codes`. melody: the melody source.
    beginning: what is continued.
    text: vector of a text, (1, numbers). seed: of everything that is drawn.

    Raises:
        UserError: sources that exclude each other.
    """

    seconds: float = 10.0
    timbre: Any = None
    melody: Any = None
    beginning: Any = None
    text: torch.Tensor | None = None
    seed: int = 0

    def __post_init__(self):
        SECONDS.check(self.seconds, "seconds")
        if self.melody is not None and self.timbre is not None:
            raise UserError("timbre and melody are both given, which leaves nothing to generate; use swap")
        if self.melody is not None and self.beginning is not None:
            raise UserError("a given melody continues no recording; leave out --melody or --continue")


class Generator:
    """A prior and the pipeline that renders its codes.

    Raises:
        UserError: the prior is of another model.
    """

    def __init__(self, pipeline: Pipeline, prior: Prior, sampling: PriorSampling = PriorSampling()):
        prior.require(pipeline.fingerprint)
        self.pipeline, self.prior, self.sampling = pipeline, prior.to(pipeline.device), sampling
        self.rate = pipeline.codec.sample_rate

    def codes(self, request: Request) -> Codes:
        """The codes of what is asked for; of a continuation with as much of the recording as a window keeps.

        Raises:
            UserError: a silent timbre source or beginning; a timbre or melody source for a model whose levels
                all change over time; as `Pipeline.encode` and `Prior.sample`.
        """
        request, pipeline, grid = self._opened(request), self.pipeline, self.prior.grid
        if not grid.pooled and (request.timbre or request.melody):
            raise UserError("all levels of this model change over time; leave out timbre and melody sources")
        generator = torch.Generator().manual_seed(mix_seed((request.seed,)))
        sample = partial(self.prior.sample, generator=generator, sampling=self.sampling)
        if request.melody is not None:
            require_audible([], melody := levelled(request.melody, self.rate))
            content = pipeline.encode(melody, levels=grid.timed)
            given, frames = timeline(content, grid), content.length
            drawn = sample(frames, Condition(given, request.text))
            levels = {**content.levels, **{level: drawn[level].cpu() for level in grid.pooled}}
            return dataclasses.replace(content, levels=dict(sorted(levels.items())))
        samples, sound = round(request.seconds * self.rate), None
        if request.timbre is not None:
            sound = timbre_of(pipeline, request.timbre, grid.pooled)
        elif request.beginning is not None:
            require_audible([beginning := levelled(request.beginning, self.rate)])
            heard = max(beginning.samples, pipeline.codec.clip_samples)
            sound = pipeline.encode(beginning, samples=heard, levels=grid.pooled)
        given = {} if sound is None else {level: sound[level] for level in grid.pooled}
        end = self._end(request.beginning)
        prefix = timeline(pipeline.encode(end, levels=grid.timed), grid) if len(end) else {}
        lead, samples = len(end) // pipeline.codec.hop, samples + len(end)
        drawn = sample(room(pipeline, samples) - lead, Condition(given, request.text), prefix=prefix)
        for level, code in prefix.items():
            drawn[level] = torch.cat([code, drawn[level].cpu()], dim=-1)
        codes = windowed(drawn, grid, pipeline, samples)
        return codes if sound is None else pipeline.mix(codes, dict.fromkeys(grid.pooled, sound))

    def stream(self, request: Request, progress: Progress = silent) -> Iterator[torch.Tensor]:
        """Consecutive blocks (samples,) of what is asked for, before its loudness is set.

        A recording that is continued is turned down, to -1 dBFS, if it has samples above full scale.
        """
        request = self._opened(request)
        if request.beginning is not None:
            request = dataclasses.replace(request, beginning=_within(request.beginning, self.rate))
        codes = self.codes(request)
        with progress(total=codes.windows, desc="render", unit="window") as bar:
            blocks = self._rendered(codes, request.seed, wholes(bar))
            yield from self._continued(request.beginning, blocks) if request.beginning else blocks

    def render(self, request: Request, progress: Progress = silent) -> torch.Tensor:
        """What is asked for: (samples,) at the codec's rate.

        It is as loud as the source that is given, with peaks under -1 dBFS. A continuation is as loud as its
        beginning, which stays as it is up to full scale.

        Raises:
            UserError: as `codes`.
        """
        request = self._opened(request)
        if request.beginning is not None:
            return torch.cat(list(self.stream(request, progress)))
        return mastered(self.stream(request, progress), self._reference(request), self.rate)

    def render_file(self, request: Request, path: str | Path, progress: Progress = silent) -> Mastering:
        """`render` into a wav, flac or ogg file, in memory that hardly grows with the length.

        Raises:
            UserError: as `codes`; the file cannot be written.
        """
        audio.check_writable(path)
        request = self._opened(request)
        if request.beginning is not None:
            audio.write_blocks(path, self.stream(request, progress), self.rate)
            return Mastering(1.0, limited=False)
        return write_mastered(path, self.stream(request, progress), self._reference(request), self.rate)

    @torch.no_grad()
    def many(
        self, count: int, seconds: float, seed: int = 0, text: torch.Tensor | None = None
    ) -> torch.Tensor:
        """So many pieces at once, as the model renders them: (count, samples).

        text: vectors, (count, numbers).
        """
        samples, grid = round(seconds * self.rate), self.prior.grid
        frames, generator = room(self.pipeline, samples), torch.Generator().manual_seed(mix_seed((seed,)))
        drawn = self.prior.sample(frames, Condition({}, text), generator, None, self.sampling, count)
        rows = [{level: code[row : row + 1] for level, code in drawn.items()} for row in range(count)]
        codes = [windowed(row, grid, self.pipeline, samples) for row in rows]
        latents = self.pipeline.sample(codes, seeds=[mix_seed((seed, row)) for row in range(count)])
        return torch.stack([self.pipeline.decode(z)[:samples] for z in latents])

    # -- how

    def _opened(self, request: Request) -> Request:
        """The request with sources at the codec's rate."""
        sources = {}
        for name in ("timbre", "melody", "beginning"):
            sound = getattr(request, name)
            keep = sound is None or (name == "timbre" and known_codes(sound) is not None)
            sources[name] = sound if keep else as_source(sound, self.rate)
        return dataclasses.replace(request, **sources)

    def _reference(self, request: Request) -> "Loudness | _FixedLoudness":
        """What the rendering is to be as loud as."""
        source = request.melody or request.timbre
        if source is None or known_codes(source) is not None:
            return _FixedLoudness(LOUDNESS)
        return measure(source, self.rate)

    def _end(self, beginning: Source | None) -> torch.Tensor:
        """The last samples of a recording, in whole steps of the grid, as many as a window keeps at most."""
        if beginning is None:
            return torch.zeros(0)
        step = self.prior.grid.step * self.pipeline.codec.hop
        kept = kept_frames(self.prior.size(self.sampling), self.prior.grid.step, self.sampling.keep)
        size = min(kept * self.pipeline.codec.hop, beginning.samples) // step * step
        end = torch.zeros(0)
        for block in beginning.blocks():
            end = torch.cat([end, block])[-size:] if size else end
        return end

    def _rendered(self, codes: Codes, seed: int, advance: Any) -> Iterator[torch.Tensor]:
        """Blocks of the codes' sound, as long as they say."""
        z = self.pipeline.sample(codes, seed)[:, : self.pipeline.codec.frames(codes.samples)]
        for block in decoded(self.pipeline, z, codes.samples):
            advance(codes.windows * len(block) / codes.samples)
            yield block

    def _continued(self, beginning: Source, blocks: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
        """The recording as it is, and then what follows it in `blocks`, which begin with its last moments.

        The two go over into each other in its last `FADE_SECONDS`; what follows is as loud as these moments.
        """
        end = self._end(beginning)
        again, blocks = _split(blocks, len(end))
        gain = float((_rms(end) / _rms(again).clamp_min(QUIET)).clamp(0.01, 10)) if len(end) else 1.0
        fade = min(round(FADE_SECONDS * self.rate), len(end))
        new = (gain * block for block in chain([again[len(again) - fade :]], blocks))
        first, new = _split(limited(new, self.rate), fade)
        left = beginning.samples - fade
        for block in beginning.blocks():
            yield block[:left]
            left -= len(block[:left])
        if fade:
            yield crossfade_level(end[-fade:], first)
        yield from new


@dataclass(frozen=True, eq=False)
class _Scaled(Changed):
    """A source times a factor."""

    factor: float

    def blocks(self) -> Iterator[torch.Tensor]:
        return (self.factor * block for block in self.source.blocks())


def _within(recording: Source, rate: int) -> Source:
    """The recording as it is or, where it is above full scale, which no file holds, with peaks of -1 dBFS."""
    peak = max(float(block.abs().max()) for block in recording.blocks() if len(block))
    if peak <= 1:
        return recording
    decibels = 20 * math.log10(peak / CEILING)
    logger.info(f"note: the recording is above full scale; it is turned down by {decibels:.1f} dB")
    return _Scaled(recording, rate, CEILING / peak)


def _rms(waveform: torch.Tensor) -> torch.Tensor:
    return waveform.square().mean().sqrt()


def _split(blocks: Iterator[torch.Tensor], samples: int) -> tuple[torch.Tensor, Iterator[torch.Tensor]]:
    """The first samples of consecutive blocks, and what follows them in blocks."""
    first = torch.zeros(0)
    while len(first) < samples:
        first = torch.cat([first, next(blocks)])
    return first[:samples], chain([first[samples:]], blocks)


@dataclass(frozen=True)
class _FixedLoudness:
    """A loudness that a rendering is brought to, in the place of one measured on a source (`Loudness`)."""

    lufs: float

    def integrated(self) -> float:
        return self.lufs

    def level(self) -> float:
        return self.lufs
