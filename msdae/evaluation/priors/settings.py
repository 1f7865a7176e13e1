"""How priors are measured."""

from dataclasses import dataclass
from typing import Annotated

from msdae import limits
from msdae.limits import SEED, Range

SAMPLES = Range(2, 10_000)


@dataclass(frozen=True)
class Settings:
    """What is drawn.

    samples: number of samples drawn from each prior to compare with recordings, or 0.
    seconds: length of a sample, in seconds.
    texts: number of samples asked for in words, or 0.
    pieces: number of long samples, whose thirds are compared, or 0.
    long: length of a long sample, in seconds.
    seed: seed of everything that is drawn.
    """

    samples: Annotated[int, Range(0, SAMPLES.high)] = 200
    seconds: Annotated[float, Range(1, 600)] = 10.0
    texts: Annotated[int, Range(0, SAMPLES.high)] = 110
    pieces: Annotated[int, Range(0, SAMPLES.high)] = 24
    long: Annotated[float, Range(6, 600)] = 30.0
    seed: Annotated[int, SEED] = 0

    def __post_init__(self):
        limits.check(self)
        for name in ("samples", "texts", "pieces"):
            if number := getattr(self, name):
                SAMPLES.check(number, name, int)
