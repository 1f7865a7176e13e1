"""A limiter that looks ahead, block by block: peaks stay under -1 dBFS, the rest is as it was."""

from collections.abc import Iterable, Iterator
from itertools import chain

import torch

from msdae.audio.loudness import CEILING

_STEP = 0.5e-3  # seconds from one gain to the next; between them it is a straight line
_AHEAD = 10  # steps in which the gain falls before a peak
_RELEASE = 65e-3  # seconds in which the dB that are taken fall to 1/e, and 0.15 to a tenth


def limited(blocks: Iterable[torch.Tensor], sample_rate: int) -> Iterator[torch.Tensor]:
    """Blocks (samples,) of one recording -> blocks of it with no sample above `CEILING`.

    The gain falls in the 5 ms before what is too loud and rises again after it; elsewhere it is 1. The result
    does not depend on where blocks end; the memory is a block and 6 ms.
    """
    step = max(1, round(_STEP * sample_rate))
    early = delay = (_AHEAD + 1) * step
    waiting, ramp = torch.zeros(delay), torch.arange(step) / step
    window = torch.hann_window(_AHEAD + 3, periodic=False, dtype=torch.double)[1:-1]
    over, taken, gain = torch.zeros(_AHEAD + 1).double(), torch.zeros(_AHEAD).double(), torch.ones(1)
    for block in chain(blocks, (None,)):
        last = len(waiting) - early  # samples that the end has to give
        waiting = torch.cat([waiting, torch.zeros(delay + step - 1) if block is None else block])
        steps = (len(waiting) - delay) // step
        if not steps:
            continue
        peaks = waiting[delay : delay + steps * step].abs().view(steps, step).amax(1).double()
        over = torch.cat([over[-_AHEAD - 1 :], 20 * (peaks / CEILING).log10().clamp_min(0)])  # dB
        needed = over.unfold(0, _AHEAD + 2, 1).amax(1)
        taken = torch.cat([taken[-_AHEAD:], _released(needed, taken[-1], step / sample_rate)])
        smooth = taken.unfold(0, _AHEAD + 1, 1) @ (window / window.sum())
        gain = torch.cat([gain[-1:], (10 ** (-smooth / 20)).float()])
        curve = torch.lerp(gain[:-1, None], gain[1:, None], ramp).flatten()
        output = (waiting[: steps * step] * curve)[early:]
        yield output[:last] if block is None else output
        waiting, early = waiting[steps * step :], max(0, early - steps * step)


def _released(needed: torch.Tensor, before: torch.Tensor, seconds: float) -> torch.Tensor:
    """The least dB (steps,) that reach what is needed in each step and fall no faster than by `_RELEASE`."""
    fallen = torch.arange(len(needed) + 1, dtype=torch.double) * seconds / _RELEASE
    levels = torch.cat([before[None], needed]).log() + fallen
    return (levels.cummax(0).values - fallen).exp()[1:]
