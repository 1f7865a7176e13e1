"""Limits and settings of drawing from priors."""

from dataclasses import dataclass
from typing import Annotated

from msdae import limits
from msdae.limits import GUIDANCE, Range, Size

SECONDS = Range(0.1, 36000, reason="ten hours; more is another piece")  # that are generated
WINDOW = Range(8, 2**16, reason="an hour and a half at once")
WindowSize = Annotated[int, Range(8, 4096, reason="more is more than a piece")]  # that a prior learns


@dataclass(frozen=True)
class PriorSampling:
    """How a prior draws.

    prior_steps: sampling steps of the prior.
    prior_guidance: guidance weights of a timbre and of a text; 1 is none.
    keep: share of a window that the next window continues from.
    window: latent frames that are drawn at once, by default as in training. The Gaussian has no others.
    """

    prior_steps: Annotated[int, Range(1, 1000, reason="more change nothing that can be heard")] = 24
    prior_guidance: Annotated[tuple[Annotated[float, GUIDANCE], ...], Size(2, 2)] = (1.0, 2.5)
    keep: Annotated[float, Range(0, 0.9, reason="nothing new would fit")] = 0.5
    window: Annotated[int, WINDOW] | None = None

    def __post_init__(self):
        limits.check(self)
