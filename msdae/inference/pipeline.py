"""Sound in, sound out, of any length: encode, mix, sample and decode, and what is built from these."""

import dataclasses
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from msdae import audio, checkpoint
from msdae.audio.levels import Levelled
from msdae.audio.loudness import Mastering, measure
from msdae.audio.mel import LogMel
from msdae.audio.windows import starts
from msdae.codecs.base import Codec
from msdae.errors import UserError, printable
from msdae.inference.codes import LENGTH, Codes, require
from msdae.inference.decoding import Blocks
from msdae.inference.encoding import Job, encoded, encoded_once, jobs, silence
from msdae.inference.latents import Advance, Silence, latents, require_latents
from msdae.inference.mastering import mastered, write_mastered
from msdae.inference.mixing import Mixed, joined, mixed
from msdae.inference.route import Route, route
from msdae.inference.settings import Mix, Sampling, identity, strengths
from msdae.inference.sounds import LearntSound, blended, mixed_tokens
from msdae.inference.sources import levelled, melody_source, require_audible, timbre_source
from msdae.inference.unknown import UNKNOWN_SOUND, learnt_first
from msdae.inference.voices import contours_of, finished_voices, planned
from msdae.limits import COUNT, LEARNING_SECONDS, SEED, SHARE, Range
from msdae.models import codec_files, student
from msdae.models.autoencoder import Autoencoder
from msdae.nn.device import device as device_of
from msdae.progress import Progress, silent, wholes

logger = logging.getLogger(__name__)
__all__ = ["Mix", "Pipeline", "Sampling", "strengths"]
OVERLAP = 4  # neighbouring windows share a quarter of their frames: 1 / OVERLAP


class Pipeline:
    """A model and its codec, ready to render.

    Args:
        model: everything runs on the device of its parameters.
        codec: the one that the model was trained on; it is moved to the model's device.
        sampling: steps, sampler, guidance and seed.
        batch: windows that go through the networks at once; speed and memory depend on it, results do not.

    Attributes:
        window, stride: latent frames that the networks see at once, and between the starts of two windows.
        sample_rate: of all renderings, in Hz.

    Raises:
        UserError: the codec is not the one that the model was trained on; `batch` is outside its range.
    """

    def __init__(self, model: Autoencoder, codec: Codec, sampling: Sampling = Sampling(), batch: int = 8):
        codec_files.require(model.config.codec, codec)
        COUNT.check(batch, "batch", int)
        if not isinstance(sampling, Sampling):
            raise TypeError(f"sampling: a Sampling is needed, not a {type(sampling).__name__}")
        self.device, self.sampling, self.batch = next(model.parameters()).device, sampling, batch
        self.model, self.codec = model.eval(), codec.eval().to(self.device)
        self.log_mel = LogMel(model.config.mel).to(self.device)
        self.sample_rate, self.window = codec.sample_rate, codec.clip_frames
        self.stride = self.window - self.window // OVERLAP
        self._levels = tuple(range(1, model.stage + 1))
        self.remembered: dict[Any, LearntSound | None] = {}  # by `unknown.learnt`

    @classmethod
    def from_pretrained(
        cls,
        checkpoint: str | Path = "embedded",
        device: str | torch.device = "auto",
        sampling: Sampling = Sampling(),
        codec: str | Path | None = None,
    ) -> "Pipeline":
        """The pipeline of a checkpoint: "embedded", a file, a folder or a hub repository.

        codec: name or file of the codec; by default codec.safetensors beside the checkpoint, the file that it
            was trained on, or the codec of its name that ships.

        Raises:
            UserError: no such checkpoint or codec; they do not belong together; guidance for other levels.
        """
        place = device_of(device) if isinstance(device, str) else device
        model = Autoencoder.from_pretrained(checkpoint).to(place)
        pipeline = cls(model, codec_files.load(model.config.codec, model.folder, codec), sampling)
        model.guidance_weights(sampling.guidance)  # raises before anything is encoded or written
        return pipeline

    @cached_property
    def fingerprint(self) -> str:
        """Hash of model and codec, by which codes are recognised as theirs."""
        return checkpoint.fingerprint(self.model.state_dict(), {"codec": self.codec.fingerprint})

    @cached_property
    def student(self) -> student.Student | None:
        """The student beside the model's file, which renders if `sampling.by_student`; None without one."""
        return student.beside(self.model)

    @cached_property
    def silence(self) -> Silence:
        """The codes and the latent of a silent window."""
        return silence(self.model, self.codec, self.log_mel, self.window * self.codec.hop)

    def route(self) -> Route:
        """How latents are sampled with `sampling`; raises as `route.route`."""
        return route(self.model, self.sampling, self.student if self.sampling.by_student else None)

    def encode(
        self,
        source: Any,
        sample_rate: int | None = None,
        samples: int | None = None,
        levels: Sequence[int] | None = None,
        even: bool = False,
    ) -> Codes:
        """Sound to codes.

        source: a file's name, an array or tensor (samples,) or (channels, samples), or anything with
            `samples` and `blocks()`; the codes of a `LearntSound` are returned as they are.
        sample_rate: of an array or tensor in Hz; the codec's by default.
        samples: length at the codec's rate that the sound is repeated or cut to; its own by default. A sound
            is levelled as a whole before it is cut, and its last latent frame is read to the end.
        levels: levels to encode, from 1 (coarse); all by default.
        even: whether dynamics are evened out first (`Sampling.dynamics`).

        Raises:
            UserError: the sound cannot be read, is empty, NaN or infinite; the model lacks a level.
        """
        if samples is not None:
            Range(1, LENGTH.high * self.codec.hop, reason=LENGTH.reason).check(samples, "samples", int)
        if isinstance(source, LearntSound):
            return source.codes
        wanted = self._levels if levels is None else tuple(levels)
        self._check_levels(wanted)
        opened = levelled(source, self.codec.sample_rate, sample_rate)
        return encoded(self, Job(opened, samples, wanted, even))

    def mix(self, content: Codes, others: Mapping[int, Codes], strength: float = 1.0) -> Codes:
        """`content` with the codes of `others`, {level: codes}, on their levels, or interpolated with them.

        strength: 0 (`content`) to 1 (`others`). Codes of another length are repeated or cut to `content`'s.

        Raises:
            UserError: codes are of another model or lack a level, or the strength is outside 0 to 1.
        """
        SHARE.check(strength, "strength")
        others = dict(others)
        self._check_levels(others)
        self.require_codes([content, *others.values()])
        levels, adapter, tokens = dict(content.levels), content.adapter, content.tokens
        for level, other in others.items():
            code = other.fitted(content.length, content.samples)[level]
            if strength < 1:
                (code,) = self.model.mix([content[level].float()], [code.float()], [strength])
            levels[level] = code
        if 1 in others:
            adapter = blended(adapter, others[1].adapter, strength)
            tokens = mixed_tokens(tokens, others[1].tokens, strength)
        levels = dict(sorted(levels.items()))
        return dataclasses.replace(content, levels=levels, adapter=adapter, tokens=tokens)

    def mixed(self, mix: Mix, series: Sequence[float]) -> list[tuple[Mix, Mixed]]:
        """For each voice of the melody source, its mix and what to `sample` for it, for each strength of a
        series in place of the mix's own.

        Raises:
            UserError: no strengths; as `encode` and `mix`.
        """
        if not series:
            raise UserError("a series of no strengths; give one at least")
        mix, own = learnt_first(self, self.resolved(mix), series)
        voices, wanted = planned(self, mix, series)
        known = encoded_once(self, wanted)
        return [(voice, self._mixed(voice, series, known, own)) for voice in voices]

    def sample(
        self,
        codes: Codes | Sequence[Codes],
        seeds: int | Sequence[int] | None = None,
        progress: Progress = silent,
    ) -> torch.Tensor | list[torch.Tensor]:
        """Codes to latents z, (channels, frames) on the CPU; of several recordings to a list of them.

        seeds: of the noise, one for all or one for each recording; `sampling.seed` by default.

        Raises:
            UserError: codes are of another model or lack a level, or the model gives NaN.
        """
        recordings = [codes] if isinstance(codes, Codes) else list(codes)
        self.require_codes(recordings)
        with progress(total=sum(c.windows for c in recordings), desc="sampling", unit="window") as bar:
            z = self._sample(recordings, seeds, wholes(bar))
        return z[0] if isinstance(codes, Codes) else z

    @torch.no_grad()
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Latents to sound: (channels, frames) -> (samples,), or with a batch before both; on the CPU.

        Raises:
            UserError: z has another shape or type, NaN or infinity.
        """
        z = require_latents(z, self.codec.channels)
        batch = (z if z.ndim == 3 else z[None]).to(self.device, torch.float32)
        waveforms = self.codec.decode(batch).cpu()
        return waveforms if z.ndim == 3 else waveforms[0]

    def reconstruct(self, source: Any, sample_rate: int | None = None) -> torch.Tensor:
        """`source` encoded and rendered again: (samples,) at the codec's rate; raises as `render`."""
        return self.render(Mix(source, sample_rate=sample_rate))

    def swap(
        self,
        timbre: Any,
        melody: Any,
        levels: Sequence[int] = (1,),
        strength: float = 1.0,
        sample_rate: int | None = None,
    ) -> torch.Tensor:
        """`melody` with the codes of `timbre` on `levels`: (samples,) at the codec's rate; see `Mix`."""
        return self.render(Mix(melody, dict.fromkeys(levels, timbre), strength, sample_rate))

    def interpolate(
        self,
        timbre: Any,
        melody: Any,
        count: int = 5,
        levels: Sequence[int] | None = None,
        sample_rate: int | None = None,
    ) -> list[torch.Tensor]:
        """`count` swaps of `levels` (all by default), (samples,) each, evenly from strength 0 to 1."""
        series, levels = strengths(count), self._levels if levels is None else levels
        mix = self.resolved(Mix(melody, dict.fromkeys(levels, timbre), sample_rate=sample_rate))
        return [self._mastered(blocks, mix.melody) for blocks in self._streams(mix, series, silent)]

    def learn(
        self,
        sources: Any,
        seconds: float = LEARNING_SECONDS,
        steps: int | None = None,
        sample_rate: int | None = None,
        folder: str | Path | None = None,
        progress: Progress = silent,
    ) -> LearntSound:
        """Learn the sound of recordings, so that `swap` plays with it; the model itself stays as it is.

        sources: one or a list, from one note to an hour. seconds: how long to learn, roughly, unless `steps`.
        folder: for the state, from which the same call resumes after a stop; afterwards it may be removed.

        Raises:
            UserError: there is no source, or only silence; level 1 of the model is not pooled; as `encode`.
            KeyboardInterrupt: a signal stopped it; the state is saved.
        """
        from msdae.inference.learning import learn  # Accelerate takes seconds to import

        group = list(sources) if isinstance(sources, (list, tuple)) else [sources]
        if not group:
            raise UserError("nothing to learn from; give one recording at least")
        opened = [timbre_source(source, self.codec.sample_rate, sample_rate) for source in group]
        return learn(self, opened, seconds, steps, folder, progress)

    def load_sound(self, path: str | Path) -> LearntSound:
        """The learnt sound in a file.

        Raises:
            UserError: the file has no learnt sound, or one of another model.
        """
        sound = LearntSound.load(path)
        sound.require(path, self.model, self.fingerprint)
        return sound

    def render(self, mix: Mix, progress: Progress = silent) -> torch.Tensor:
        """The mix, as long and as loud as its melody source: (samples,), peaks under -1 dBFS.

        Raises:
            UserError: a timbre source is silent, or the model gives NaN; as `encode`.
        """
        mix = self.resolved(mix)
        return self._mastered(self.stream(mix, progress), mix.melody)

    def render_file(self, mix: Mix, path: str | Path, progress: Progress = silent) -> Mastering:
        """`render` into a wav, flac or ogg file; the memory hardly grows with the length.

        Raises:
            UserError: as `render`; a source cannot be read to its end; the file cannot be written.
        """
        mix = self.resolved(mix)
        (mastering,) = self.render_series(mix, {path: mix.strength}, partial(progress, desc=Path(path).name))
        return mastering

    def render_series(
        self, mix: Mix, series: Mapping[str | Path, float], progress: Progress = silent
    ) -> list[Mastering]:
        """`render_file` for each strength of a series, {file: strength}, in place of the mix's own.

        What the renderings share is encoded and sampled once.

        Raises:
            UserError: as `render_file`.
        """
        for path in series:
            audio.check_writable(path)
        mix, rate = self.resolved(mix), self.codec.sample_rate
        if not series:
            return []
        reference = measure(mix.melody.source, rate)
        streams = zip(series, self._streams(mix, list(series.values()), progress), strict=True)
        return [write_mastered(path, blocks, reference, rate) for path, blocks in streams]

    def stream(self, mix: Mix, progress: Progress = silent) -> Blocks:
        """Consecutive blocks (samples,) of the mix on the CPU, before its loudness is matched.

        progress: shows the windows that are encoded, sampled and decoded.
        """
        mix = self.resolved(mix)
        for blocks in self._streams(mix, [mix.strength], progress):
            yield from blocks

    def _streams(self, mix: Mix, series: Sequence[float], progress: Progress) -> Iterator[Blocks]:
        """`stream` for each strength of a series; each has to be read to its end before the next."""
        given = mix.codes
        mix, own = learnt_first(self, mix, series, progress)
        if own is not None or mix.codes.keys() - given.keys():
            logger.info(UNKNOWN_SOUND)
        voices, wanted = planned(self, mix, series)
        read = sum(len(self.starts(job.length)) for job in wanted if job.levels)
        windows = sum(len(self.starts(voice.melody.samples)) for voice in voices)
        with progress(total=read + (1 + len(series)) * windows, unit="window") as bar:
            advance = wholes(bar)
            known = encoded_once(self, wanted, advance)
            made = [self._mixed(voice, series, known, own) for voice in voices]
            codes = [take for one in made for take in one.codes]
            z = self._sample(codes, None, lambda n: advance(n * len(voices) / len(codes)))
            facts = contours_of(voices), lambda share: advance(windows * share)
            for between in zip(*joined(made, z), strict=True):
                yield finished_voices(self, mix, voices, between, *facts)

    def starts(self, samples: int) -> list[int]:
        """The first latent frame of each window over `samples` samples."""
        return starts(self.codec.frames(samples), self.window, self.stride)

    def resolved(self, mix: Mix) -> Mix:
        """The mix with sources at the codec's rate and at one level.

        If all codes that change over time are the melody source's, it is tuned and straightened. A source
        that is given twice is opened once. Raises as `render`.
        """
        if not isinstance(mix, Mix):
            raise TypeError(f"a mix is needed, as Mix(melody, levels), not a {type(mix).__name__}")
        self._check_levels(mix.levels)
        self.require_codes(mix.codes.values())
        rate, given = self.codec.sample_rate, mix.sample_rate
        sources = {identity(sound): timbre_source(sound, rate, given, keep=True) for sound in mix.recordings}
        timed = [level for level, pooled in enumerate(self.model.pooled, start=1) if not pooled]
        melody = melody_source if all(map(mix.keeps, timed)) else levelled
        sources[identity(mix.melody)] = melody(mix.melody, rate, given)
        levels = {level: sources.get(identity(sound), sound) for level, sound in mix.levels.items()}
        resolved = Mix(sources[identity(mix.melody)], levels, mix.strength)
        require_audible(resolved.recordings, None if isinstance(mix.melody, Levelled) else resolved.melody)
        return resolved

    def _mixed(
        self, mix: Mix, series: Sequence[float], known: Mapping[Job, Codes], sound: LearntSound | None
    ) -> Mixed:
        """As `mixed`, of a resolved mix. known: of all jobs. sound: the melody source's, if it is learnt."""
        own, others = ([known[job] for job in some] for some in jobs(self, mix, min(series)))
        content = self.mix(own[0], {level: codes for codes in own[1:] for level in codes.levels})
        content = content if sound is None else self.mix(content, {1: sound.codes})
        by_level = {level: codes for codes in others for level in codes.levels} | mix.codes
        timed = {n: by_level.pop(n) for n in mix.levels if not self.model.pooled[n - 1]}
        return mixed(self, content, timed, by_level, series)

    def _sample(self, recordings: Sequence[Codes], seeds: Any, advance: Advance) -> list[torch.Tensor]:
        seeds = self.sampling.seed if seeds is None else seeds
        each = list(seeds) if isinstance(seeds, Iterable) else [seeds] * len(recordings)
        for seed in each:
            SEED.check(seed, "seed", int)
        return latents(self.model, recordings, each, self.route(), self.batch, advance, self.silence)

    def _mastered(self, blocks: Blocks, melody: Levelled) -> torch.Tensor:
        return mastered(blocks, measure(melody.source, self.codec.sample_rate), self.codec.sample_rate)

    def _check_levels(self, levels: Mapping[int, Any] | Sequence[int]) -> None:
        if unknown := [level for level in levels if level not in self._levels]:
            reason = f"level {printable(unknown[0])[:40]}: this model has levels 1 to {self.model.stage}"
            raise UserError(f"{reason}; choose of these")

    def require_codes(self, group: Iterable[Codes]) -> None:
        """Raise an error, as `codes.require`, unless all of `group` are codes of this model."""
        for codes in group:
            require(codes, self.fingerprint, self.model.config.code_channels, self.model.token_channels)
