"""What a rendering is made of, and how it is sampled."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any

from msdae import limits
from msdae.diffusion import SAMPLERS
from msdae.errors import UserError, printable
from msdae.limits import GUIDANCE, SEED, Choice, Range, Share

FAST, BEST = "fast", "best"
AUTO, ALWAYS, NEVER = "auto", "always", "never"
SOUND, MELODY = "sound", "melody"
FEW = 2  # steps of a student by default
VOICES, MOST_VOICES = 3, Range(1, 8, reason="each takes as long as the whole")
OPPOSITE = Range(0, 0.5, reason="half of it is the mean of both")
SEMITONES = Range(-36, 36, reason="three octaves")
FRAMES = Range(1, 64, reason="longer than a window")
SERIES = Range(2, 1000, reason="a series has two ends, and more steps cannot be told apart")


@dataclass(frozen=True)
class Sampling:
    """How latents are sampled.

    steps: sampling steps, by default 2 with a student and 12 with the model itself. For more steps than the
        student has learnt the model itself is used.
    antithetic: share of the latents that is sampled from the opposite noise: 0 samples once, in half of the
        time; 0.5 takes the mean of both. Halved for a learnt sound.
    sampler: ODE solver of the model itself, by default dpmpp_2m; naming one turns the student off.
    guidance: classifier-free guidance, as one weight or one per level, coarse to fine; 1 is none. By default
        the model's own: 2, 1, 2 for the one that ships. For weights that the student has not learnt the
        model itself is used.
    seed: seed of the noise, which depends only on it and on the position of a latent frame.
    quality: "fast" renders with the model's student, if it has one, at one evaluation per step; "best" with
        the model itself.
    learn: whether the source of level 1 is learnt first, in a few seconds: "auto" (if the model does not know
        the sound), "always" or "never".
    dynamics: how notes swell and decay in a swap of level 1: "sound" (as in the timbre source), "melody" (as
        in the melody source) or "auto" ("sound" if the sound is learnt).
    transcription: whether the notes of a recorded melody source are read and played plainly for levels that
        change over time, which read plain tones best: "auto" (if its notes can be read) or "never".
    voices: how many voices the notes of a melody source are shared out over, at most, where several sound at
        once. They are rendered apart and added, since levels hold few notes at a time; 1 renders all at once.
    transpose: semitones by which the melody is played higher, such as 12 for an octave; below 0, lower.

    Raises:
        UserError: a number outside its range, or an unknown sampler.
    """

    steps: Annotated[int, Range(1, 1000, reason="more change nothing that can be heard")] | None = None
    sampler: str | None = None
    guidance: tuple[Annotated[float, GUIDANCE], ...] | None = None
    antithetic: Annotated[float, OPPOSITE] = 0.3
    seed: Annotated[int, SEED] = 0
    quality: Annotated[str, Choice((FAST, BEST))] = FAST
    learn: Annotated[str, Choice((AUTO, ALWAYS, NEVER))] = AUTO
    dynamics: Annotated[str, Choice((AUTO, SOUND, MELODY))] = AUTO
    transcription: Annotated[str, Choice((AUTO, NEVER))] = AUTO
    voices: Annotated[int, MOST_VOICES] = VOICES
    transpose: Annotated[int, SEMITONES] = 0

    def __post_init__(self):
        if isinstance(self.guidance, Real):
            number = self.guidance if isinstance(self.guidance, (int, float)) else float(self.guidance)
            object.__setattr__(self, "guidance", (number,))
        if not (self.guidance is None or isinstance(self.guidance, (tuple, list))):
            given = printable(self.guidance)[:40]
            raise UserError(f"guidance: is {given}, expected a number, or one a level, as (2, 1, 2)")
        limits.check(self)
        if self.sampler is not None and self.sampler not in SAMPLERS:
            SAMPLERS[self.sampler]  # says which ones there are

    @property
    def by_student(self) -> bool:
        """Whether the student renders, where there is one."""
        return self.quality == FAST and self.sampler is None


def identity(source: Any) -> str | int:
    """A key by which sources are told apart: the path of a file without links, or the id of an object."""
    return os.path.realpath(source) if isinstance(source, (str, Path)) else id(source)


@dataclass(frozen=True)
class Mix:
    """What a rendering is made of. A source is whatever `as_source` takes.

    melody: the source of the length, of the loudness, and of the codes of all levels but those in `levels`.
    levels: {level: source} of the levels whose codes come from other sources; levels run from 1 (coarse). A
        source may also be `Codes`, which are taken as they are, and that of level 1 a `LearntSound`.
    strength: from 0, the melody source's codes on these levels, too, to 1, the codes of their own sources.
    sample_rate: of sources that do not know their own, in Hz; the codec's by default.

    Raises:
        UserError: the strength is outside 0 to 1.
        TypeError: `levels` is not a mapping from levels, which are whole numbers.
    """

    melody: Any
    levels: Mapping[int, Any] = field(default_factory=dict)
    strength: Share = 1.0
    sample_rate: int | None = None

    def __post_init__(self):
        limits.check(self)
        if not (isinstance(self.levels, Mapping) and all(isinstance(n, Integral) for n in self.levels)):
            raise TypeError(
                "levels are {level: source}, as {1: 'a.wav'}, and a swap's whole numbers, as (1,)"
            )

    def keeps(self, level: int) -> bool:
        """Whether the codes of `level` come from the melody source."""
        return identity(self.levels.get(level, self.melody)) == identity(self.melody)

    @property
    def recordings(self) -> list[Any]:
        """The sources of `levels` that have to be encoded."""
        known = self.codes
        return [source for level, source in self.levels.items() if level not in known]

    @property
    def codes(self) -> dict[int, Any]:
        """{level: codes} of the sources that are learnt sounds or codes."""
        from msdae.inference.sounds import known_codes

        every = {level: known_codes(source) for level, source in self.levels.items()}
        return {level: codes for level, codes in every.items() if codes is not None}


@dataclass(frozen=True)
class LiveConfig:
    """When windows of a stream are sampled.

    stride: latent frames from one window to the next, which are played at once. Fewer give less delay and
        need more computing.
    ahead: latent frames at the end of a window that are not played yet.

    Raises:
        UserError: a number outside its range.
    """

    stride: Annotated[int, FRAMES] = 4
    ahead: Annotated[int, FRAMES] = 2

    def __post_init__(self):
        limits.check(self)


def strengths(count: int) -> list[float]:
    """`count` numbers from 0 to 1, evenly spaced.

    Raises:
        UserError: fewer than two, or too many.
    """
    SERIES.check(count, "count", int)
    return [index / (count - 1) for index in range(count)]
