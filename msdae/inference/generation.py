"""Generated music: a prior draws the codes that are not given, and a model renders all of them."""

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

LOUDNESS = -18.0  # LUFS of a rendering without a source to match
QUIET = 1e-4  # root mean square; softer sound is amplified no more than sound of this level
# Factors of a continuation against its recording as a whole. Below the first, the recording ended in silence,
# and the continuation is as loud as the whole; none is above the second.
SOFTEST, LOUDEST = 0.01, 10.0
FADE_SECONDS = 0.05  # cross-fade from a recording to its continuation

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What to generate.

    seconds: length of the new music; with a melody source, the length of that source counts instead.
    timbre: the timbre source, a `LearntSound`, or `Codes`. melody: the melody source.
    beginning: the recording that is continued.
    text: vector of a text, (1, numbers), as `wording.asked` returns it. seed: of everything that is drawn.

    Raises:
        UserError: `seconds` is outside its range, or sources exclude each other.
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
        UserError: the prior is of another model than the pipeline's.
    """

    def __init__(self, pipeline: Pipeline, prior: Prior, sampling: PriorSampling = PriorSampling()):
        prior.require(pipeline.fingerprint)
        self.pipeline, self.prior, self.sampling = pipeline, prior.to(pipeline.device), sampling
        self.rate = pipeline.codec.sample_rate

    def codes(self, request: Request) -> Codes:
        """The codes of a request; those of a continuation begin with the recording's end (`_end`).

        Raises:
            UserError: the timbre source or the beginning is silent; a timbre or melody source is given for a
                model whose levels all change over time; as `Pipeline.encode` and `Prior.sample`.
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
        """Consecutive blocks (samples,) of the rendering of a request, before its loudness is set.

        A recording that is continued is turned down to peaks of -1 dBFS if it is above full scale.
        """
        request = self._opened(request)
        if request.beginning is not None:
            request = dataclasses.replace(request, beginning=_turned_down(request.beginning, self.rate))
        codes = self.codes(request)
        with progress(total=codes.windows, desc="render", unit="window") as bar:
            blocks = self._rendered(codes, request.seed, wholes(bar))
            yield from self._continued(request.beginning, blocks) if request.beginning else blocks

    def render(self, request: Request, progress: Progress = silent) -> torch.Tensor:
        """Render a request: (samples,) at the codec's rate.

        The result is as loud as the melody or timbre source, or of `LOUDNESS` without one, with peaks under
        -1 dBFS. A continuation is as loud as the end of the recording, which itself stays as it is, unless it
        is above full scale.

        Raises:
            UserError: as `codes`.
        """
        request = self._opened(request)
        if request.beginning is not None:
            return torch.cat(list(self.stream(request, progress)))
        return mastered(self.stream(request, progress), self._reference(request), self.rate)

    def render_file(self, request: Request, path: str | Path, progress: Progress = silent) -> Mastering:
        """`render` into a wav, flac or ogg file; the memory hardly grows with the length.

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
        """Render `count` pieces at once, with the loudness that the model gives them: (count, samples).

        seconds: length of each. text: vectors of texts, (count, numbers).
        """
        samples, grid = round(seconds * self.rate), self.prior.grid
        frames, generator = room(self.pipeline, samples), torch.Generator().manual_seed(mix_seed((seed,)))
        drawn = self.prior.sample(frames, Condition({}, text), generator, None, self.sampling, count)
        rows = [{level: code[row : row + 1] for level, code in drawn.items()} for row in range(count)]
        codes = [windowed(row, grid, self.pipeline, samples) for row in rows]
        latents = self.pipeline.sample(codes, seeds=[mix_seed((seed, row)) for row in range(count)])
        return torch.stack([self.pipeline.decode(z)[:samples] for z in latents])

    # -- steps

    def _opened(self, request: Request) -> Request:
        """The request with its sources opened, at the codec's rate."""
        sources = {}
        for name in ("timbre", "melody", "beginning"):
            sound = getattr(request, name)
            keep = sound is None or (name == "timbre" and known_codes(sound) is not None)
            sources[name] = sound if keep else as_source(sound, self.rate)
        return dataclasses.replace(request, **sources)

    def _reference(self, request: Request) -> "Loudness | FixedLoudness":
        """The loudness that the rendering is brought to."""
        source = request.melody or request.timbre
        if source is None or known_codes(source) is not None:
            return FixedLoudness(LOUDNESS)
        return measure(source, self.rate)

    def _end(self, beginning: Source | None) -> torch.Tensor:
        """The end of a recording: whole steps of the grid, at most what a window keeps of the one before."""
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
        """Blocks (samples,) of the rendered codes, with `codes.samples` samples in all."""
        z = self.pipeline.sample(codes, seed)[:, : self.pipeline.codec.frames(codes.samples)]
        for block in decoded(self.pipeline, z, codes.samples):
            advance(codes.windows * len(block) / codes.samples)
            yield block

    def _continued(self, beginning: Source, blocks: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Blocks of the recording as it is, then of its continuation.

        blocks: rendering of the recording's end (`_end`) and of what follows. It is brought to the loudness
            of that end, or of the whole recording if that end is silent, and faded in over the last
            `FADE_SECONDS` of the recording.
        """
        end = self._end(beginning)
        again, blocks = _split(blocks, len(end))
        gain = usual = 1 / levelled(beginning, self.rate).gain  # models hear all at one level
        if len(end) and (wanted := float(_rms(end) / _rms(again).clamp_min(QUIET))) > SOFTEST * usual:
            gain = min(wanted, LOUDEST * usual)
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


def _turned_down(recording: Source, rate: int) -> Source:
    """The recording, with peaks of -1 dBFS if it is above full scale, which no file holds."""
    peak = max(float(block.abs().max()) for block in recording.blocks() if len(block))
    if peak <= 1:
        return recording
    decibels = 20 * math.log10(peak / CEILING)
    logger.info(f"note: the recording is above full scale; it is turned down by {decibels:.1f} dB")
    return _Scaled(recording, rate, CEILING / peak)


def _rms(waveform: torch.Tensor) -> torch.Tensor:
    return waveform.square().mean().sqrt()


def _split(blocks: Iterator[torch.Tensor], samples: int) -> tuple[torch.Tensor, Iterator[torch.Tensor]]:
    """The first `samples` samples of consecutive blocks, and the rest in blocks."""
    first = torch.zeros(0)
    while len(first) < samples:
        first = torch.cat([first, next(blocks)])
    return first[:samples], chain([first[samples:]], blocks)


@dataclass(frozen=True)
class FixedLoudness:
    """A loudness to bring a rendering to, in place of one that is measured on a source (`Loudness`)."""

    lufs: float

    def integrated(self) -> float:
        return self.lufs

    def level(self) -> float:
        return self.lufs
