"""What a rendering is made of, and how it is sampled."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msdae.diffusion.samplers import SAMPLERS, STEPS
from msdae.errors import UserError
from msdae.inference.sounds import LearntSound


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

    steps: int = STEPS
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
    """What a rendering is made of. A source is whatever `as_source` takes.

    melody: gives the length, the loudness and the codes of all levels but those in `levels`.
    levels: {level: source}, the sources that other levels' codes come from; levels run from 1 (coarse), whose
        source may also be a `LearntSound`.
    strength: 0 takes the melody source's codes on those levels too, 1 their own sources', between is between.
    sample_rate: of sources that do not know their own, in Hz; the codec's by default.

    Raises:
        UserError: a strength outside 0 to 1.
    """

    melody: Any
    levels: Mapping[int, Any] = field(default_factory=dict)
    strength: float = 1.0
    sample_rate: int | None = None

    def __post_init__(self):
        check_strength(self.strength)

    @property
    def recordings(self) -> list[Any]:
        """The sources of `levels` that are no learnt sounds."""
        return [source for source in self.levels.values() if not isinstance(source, LearntSound)]


def strengths(count: int) -> list[float]:
    """`count` numbers from 0 to 1, evenly spaced.

    Raises:
        UserError: fewer than two.
    """
    if count < 2:
        raise UserError(f"count {count}: a series has at least 2 recordings")
    return [index / (count - 1) for index in range(count)]


def check_strength(strength: float) -> None:
    """Raise a UserError for a strength outside 0 to 1."""
    if not 0 <= strength <= 1:
        raise UserError(f"strength {strength}: give 0 (melody source) to 1 (timbre source)")
