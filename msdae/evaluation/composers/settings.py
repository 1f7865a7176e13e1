"""How composers are measured."""

from dataclasses import dataclass
from typing import Annotated

from msdae import limits
from msdae.limits import SEED, Choice, Range
from msdae.models.composers import ComposerSampling


@dataclass(frozen=True)
class Settings:
    """How composers are measured.

    samples: number of samples drawn from each composer.
    bars: length of a sample.
    seed: seed of the samples and the excerpts.
    sampling: how samples are drawn.
    split: split of the held-out pieces that composers are measured on.
    """

    samples: Annotated[int, Range(2, 10_000)] = 200
    bars: Annotated[int, Range(1, 64)] = 8
    seed: Annotated[int, SEED] = 0
    sampling: ComposerSampling = ComposerSampling(1.0, 1.0)
    split: Annotated[str, Choice(("test", "valid"))] = "test"

    def __post_init__(self):
        limits.check(self)
