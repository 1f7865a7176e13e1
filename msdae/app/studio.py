"""The work on visitors' clips, which only the worker thread does: swap, learn, compose, listen."""

import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from msdae import audio, files
from msdae.app.clips import Clip, kept, performed, played, rolled, title
from msdae.app.examples import Examples, level_1, load
from msdae.app.jobs import Job, Queue
from msdae.app.library import Library
from msdae.app.visits import Visit
from msdae.audio.resample import resampled
from msdae.errors import UserError
from msdae.inference.pipeline import Mix, Pipeline, Sampling
from msdae.inference.settings import SEMITONES
from msdae.inference.sounds import LearntSound
from msdae.inference.sources import SOUND_ENDING
from msdae.limits import GUIDANCE, LEARNING_SECONDS, SEED, SHARE, Range
from msdae.symbolic.tunes import ODE_TO_JOY, notes_of
from msdae.training.log import LOG, TRAINING_LOSS, VALIDATION_LOSS

PREVIEW = notes_of(ODE_TO_JOY[:8])  # the melody that previews a learnt sound
LEARNING = Range(5, 120)  # seconds of learning that a visitor may ask for
BARS = Range(2, 16)
UNTITLED = "Untitled sound"
QUALITY_EVERY = 5  # steps after which the log of learning is read again
LEVELS = ("1", "2", "3")


@dataclass(frozen=True)
class Order:
    """A valid request for a swap.

    melody: the melody source. levels: {level: source of its codes}. strength: 0 to 1. guidance: None for the
    configured one. transpose: semitones. seed: of the sampling.
    """

    melody: Clip
    levels: Mapping[int, "Clip | Blend"]
    strength: float
    guidance: float | None
    transpose: int
    seed: int


@dataclass(frozen=True)
class Blend:
    """A learnt sound of the library, or a blend of two.

    first, second: ids of the sounds; without a second one there is no blend. share: of the second sound.
    """

    first: str
    second: str | None = None
    share: float = 0.0


class Quality:
    """Reports the losses so far from the log of learning to the page.

    job: the job of learning, whose `facts` receive them. log: the log.
    """

    def __init__(self, job: Job, log: Path):
        self.job, self.log, self.step = job, log, 0

    def __call__(self, step: float) -> None:
        """Read the log if `QUALITY_EVERY` steps have passed, as learning writes a line every few steps.

        step: count of the current progress bar; it starts again from 0 with the next bar.
        """
        if self.step <= step < self.step + QUALITY_EVERY:
            return
        self.step = int(step)
        with suppress(UserError):  # there is no line yet, or half of one
            lines = files.read_json_lines(self.log)
            held_out, trained = (
                [line[name] for line in lines if name in line] for name in (VALIDATION_LOSS, TRAINING_LOSS)
            )
            self.job.facts = {"losses": [round(loss, 4) for loss in held_out or trained]}


class Studio:
    """The pipeline with all that the page's work needs.

    Args:
        make: makes the pipeline, which takes seconds; called by the worker.
        library: the learnt sounds.
        cache: folder of the examples.
        queue: the worker's queue.

    Attributes:
        pipeline, examples: None until the worker has loaded them.
        pace: running average of the seconds of rendering per second of sound.
        opening: the job that loads the pipeline and the examples.
    """

    def __init__(self, make: Callable[[], Pipeline], library: Library, cache: Path, queue: Queue):
        self._make, self.library, self.cache, self.queue = make, library, cache, queue
        self.pipeline: Pipeline | None = None
        self.examples: Examples | None = None
        self.pace = 0.3
        self._composer: Any = None
        self._sampling = Sampling()
        self.opening = Job("open", "", self._open, expected=20.0)

    @property
    def ready(self) -> bool:
        """Whether the pipeline and the examples are loaded."""
        return self.examples is not None

    # -- requests, which only put jobs into the queue

    def clip(self, visit: Visit, key: Any) -> Clip:
        """A clip of the visitor or of the examples, by its id.

        Raises:
            UserError: there is no clip with that id.
        """
        clip = visit.clips.get(key) if isinstance(key, str) else None
        if clip is None and self.examples is not None and isinstance(key, str):
            clip = self.examples.find(key)
        if clip is None:
            raise UserError("this clip is no longer here; choose it again")
        return clip

    def order(self, visit: Visit, asked: Mapping[str, Any]) -> Order:
        """The swap that the page asks for.

        Raises:
            UserError: a clip or sound does not exist, or a number is out of its range.
        """
        levels = asked.get("levels")
        if not isinstance(levels, dict) or not levels or set(levels) - set(LEVELS):
            raise UserError("choose a sound first")
        melody = self._used(visit, asked.get("melody"))
        sources = {int(level): self._source(visit, source) for level, source in levels.items()}
        if any(isinstance(source, Blend) for level, source in sources.items() if level > 1):
            raise UserError("a learnt sound gives level 1 only; choose a clip for the others")
        strength, guidance, seed = (asked.get(name) for name in ("strength", "guidance", "seed"))
        SHARE.check(strength, "strength")
        if guidance is not None:
            GUIDANCE.check(guidance, "guidance")
        transpose = asked.get("transpose", 0)
        SEMITONES.check(transpose, "transpose", int)
        SEED.check(seed, "take", int)
        return Order(melody, sources, float(strength), guidance, int(transpose), int(seed))

    def swap(self, visit: Visit, asked: Mapping[str, Any]) -> Job:
        """Queue a swap. Raises as `order` and `Queue.put`."""
        order = self.order(visit, asked)
        expected = 1 + self.pace * order.melody.seconds
        clips = [order.melody, *(source for source in order.levels.values() if isinstance(source, Clip))]
        work = lambda job: self._swap(job, visit, order)  # noqa: E731
        return self._put(visit, Job("swap", visit.id, work, expected, clips=clips))

    def learn(self, visit: Visit, asked: Mapping[str, Any], name: str) -> Job:
        """Queue the learning of a clip's sound, under the given name. Raises as `clip` and `Queue.put`.

        Also raises a UserError for seconds outside of `LEARNING`.
        """
        clip, seconds = self._used(visit, asked.get("clip")), asked.get("seconds", LEARNING_SECONDS)
        LEARNING.check(seconds, "seconds")
        work = lambda job: self._learn(job, visit, clip, float(seconds), name)  # noqa: E731
        return self._put(visit, Job("learn", visit.id, work, 8 + float(seconds), clips=[clip]))

    def compose(self, visit: Visit, asked: Mapping[str, Any]) -> Job:
        """Queue the composition of a melody. Raises as `Queue.put`, and for numbers out of their ranges."""
        bars, seed = asked.get("bars"), asked.get("seed")
        BARS.check(bars, "bars", int)
        SEED.check(seed, "seed", int)
        work = lambda job: self._compose(job, visit, int(bars), int(seed))  # noqa: E731
        return self._put(visit, Job("compose", visit.id, work, 4.0))

    def bring(self, visit: Visit, path: Path, file: str) -> Job:
        """Queue the import of an uploaded `.sound` file into the library. Raises as `Queue.put`.

        path: the uploaded file, which is deleted afterwards. file: its name on the visitor's machine.
        """
        work = lambda job: {"sound": self._bring(job, path, file)}  # noqa: E731
        return self._put(visit, Job("bring", visit.id, work, 3.0, file=path))

    def listen(self, visit: Visit, clip: Clip) -> None:
        """Queue, as a light job, the transcription of a clip and the search for its place on the map."""
        self.queue.put(Job("listen", visit.id, lambda job: self._listen(clip), 1.0, light=True))

    def places(self) -> list[dict[str, Any]]:
        """The points of the map: the example sounds and the learnt sounds of the model in use."""
        if self.examples is None or self.pipeline is None:
            return []
        model = self.pipeline.fingerprint
        learnt = [entry for entry in self.library.entries() if entry.model == model]
        return [
            *(
                {"clip": clip.id, "name": clip.name, "place": clip.place}
                for clip in self.examples.sounds.values()
            ),
            *({"sound": entry.id, "name": entry.name, "place": self._place(entry.code)} for entry in learnt),
        ]

    # -- work

    def _open(self, job: Job) -> dict[str, Any]:
        pipeline = self._make()
        pipeline.fingerprint  # noqa: B018, takes a second that no visitor has to wait for
        self._sampling = pipeline.sampling
        self.pipeline = pipeline
        job.advance(0.3)
        examples = load(self.pipeline, self.cache, job.progress(rest=(0.3, 0.9)))
        clip = next(iter(examples.sounds.values()))
        self.pipeline.render(Mix(clip.path, {1: clip.path}))  # the first rendering takes longer
        self.examples = examples
        return {}

    def _swap(self, job: Job, visit: Visit, order: Order) -> dict[str, Any]:
        begin = time.monotonic()
        pipeline = self._pipeline()
        guidance = self._sampling.guidance if order.guidance is None else (order.guidance,)
        changed = {"seed": order.seed, "guidance": guidance, "transpose": order.transpose}
        pipeline.sampling = replace(self._sampling, **changed)
        sources = {level: self._opened(source) for level, source in order.levels.items()}
        mix = Mix(order.melody.source, sources, order.strength)
        waveform = self._rendered(mix, job.progress(learning=(0.0, 0.5), rest=(0.0, 0.98)))
        self.pace = 0.5 * self.pace + 0.5 * (time.monotonic() - begin) / order.melody.seconds
        source = order.levels[min(order.levels)]
        sound = self.library.find(source.first).name if isinstance(source, Blend) else source.name
        clip = kept(waveform, f"{order.melody.name} – {sound}", visit.folder, ".wav")
        self.listen(visit, visit.keep(clip))
        return {"clip": clip.id}

    def _learn(self, job: Job, visit: Visit, clip: Clip, seconds: float, name: str) -> dict[str, Any]:
        pipeline, state = self._pipeline(), visit.folder / f"learning-{job.id}"
        quality = Quality(job, state / LOG)
        bar = job.progress(quality, excerpts=(0.0, 0.05), learning=(0.05, 0.9), rest=(0.0, 0.05))
        try:
            sound = pipeline.learn(clip.path, seconds, folder=state, progress=bar)
        finally:
            shutil.rmtree(state, ignore_errors=True)
        return {"sound": self._keep(job, sound, name)}

    def _bring(self, job: Job, path: Path, file: str) -> str:
        """Add the sound of a file to the library and return its id."""
        try:
            sound = self._pipeline().load_sound(path)
        except UserError as error:
            raise UserError(str(error).replace(str(path), file)) from error
        return self._keep(job, sound, title(file.removesuffix(SOUND_ENDING), UNTITLED))

    def _keep(self, job: Job, sound: LearntSound, name: str) -> str:
        """Add a sound to the library, with a preview, and return its id."""
        self._pipeline().sampling = self._sampling
        mix = Mix(played(PREVIEW), {1: sound})
        preview = self._rendered(mix, job.progress(rest=(0.9, 0.99)))
        return self.library.add(sound, name, preview).id

    def _compose(self, job: Job, visit: Visit, bars: int, seed: int) -> dict[str, Any]:
        from msdae.models.composers.base import find
        from msdae.symbolic.scores import write_score

        self._composer = self._composer or find("transformer")
        score = self._composer.compose(bars, torch.Generator().manual_seed(seed))
        if not score.parts:
            raise UserError("silence was composed this time; try again")
        clip = performed(score.notes(), f"Tune {seed}", visit.folder)
        with suppress(UserError):  # without mido there is no MIDI file
            write_score(midi := clip.path.with_suffix(".mid"), score)
            clip.midi = midi
        return {"clip": visit.keep(clip).id}

    def _listen(self, clip: Clip) -> dict[str, Any]:
        """Find the notes of a clip, if Basic Pitch is installed, and its place on the map."""
        if not clip.path.is_file():  # the clip was deleted
            return {}
        if clip.notes is None:
            from msdae.evaluation.metrics.melody import transcribe

            with suppress(UserError):
                clip.notes = rolled(transcribe(clip.path, audio.SAMPLE_RATE))
        clip.place = self._place(level_1(self._pipeline(), clip.path))
        return {}

    # -- parts

    def _used(self, visit: Visit, key: Any) -> Clip:
        """A clip that is about to be used, with its time of use set. Raises as `clip`."""
        clip = self.clip(visit, key)
        clip.used = time.monotonic()
        return clip

    def _put(self, visit: Visit, job: Job) -> Job:
        visit.add(job)  # first, so that the clips that it needs are not deleted
        try:
            return self.queue.put(job)
        except UserError:
            visit.drop(job)
            raise

    def _pipeline(self) -> Pipeline:
        if self.pipeline is None:
            raise UserError("the model could not be loaded; the server's log says why")
        return self.pipeline

    def _rendered(self, mix: Mix, advance: Callable[..., Any]) -> torch.Tensor:
        """The rendering of a mix at 44.1 kHz, the sample rate of clips: (samples,)"""
        pipeline = self._pipeline()
        return resampled(pipeline.render(mix, advance), pipeline.sample_rate, audio.SAMPLE_RATE)

    def _place(self, code: Any) -> tuple[float, float]:
        return self.examples.map.place(code) if self.examples else (0.5, 0.5)

    def _source(self, visit: Visit, source: Any) -> Clip | Blend:
        if not isinstance(source, dict):
            raise UserError("choose a sound first")
        if "clip" in source:
            return self._used(visit, source["clip"])
        names = [source.get("sound"), source.get("second")]
        first, second = (None if name is None else self.library.find(str(name)).id for name in names)
        if first is None:
            raise UserError("choose a sound first")
        share = source.get("share", 0.0)
        SHARE.check(share, "share")
        return Blend(first, second, float(share))

    def _opened(self, source: Clip | Blend) -> Path | LearntSound:
        if isinstance(source, Clip):
            return source.path
        first = self._pipeline().load_sound(self.library.sound(source.first))
        if source.second is None:
            return first
        return first.blend(self._pipeline().load_sound(self.library.sound(source.second)), source.share)
