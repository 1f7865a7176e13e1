"""A look-ahead limiter that works block by block and keeps peaks under -1 dBFS."""

from collections.abc import Iterable, Iterator
from itertools import chain

import torch

from msdae.audio.loudness import CEILING

_STEP = 0.5e-3  # seconds between gains, which are interpolated linearly
_AHEAD = 10  # steps before a peak in which the gain falls
_RELEASE = 65e-3  # seconds in which the reduction in dB falls to 1/e; it falls to a tenth in 0.15 s


def limited(blocks: Iterable[torch.Tensor], sample_rate: int) -> Iterator[torch.Tensor]:
    """Blocks (samples,) of one recording -> the recording with no sample above `CEILING`, in blocks.

    The gain falls in the 5 ms before a peak that is too loud and rises again after it; elsewhere it is 1. The
    result does not depend on how the blocks are cut. The memory is that of a block and 6 ms.
    """
    step = max(1, round(_STEP * sample_rate))
    early = delay = (_AHEAD + 1) * step
    waiting, ramp = torch.zeros(delay), torch.arange(step) / step
    window = torch.hann_window(_AHEAD + 3, periodic=False, dtype=torch.double)[1:-1]
    over, taken, gain = torch.zeros(_AHEAD + 1).double(), torch.zeros(_AHEAD).double(), torch.ones(1)
    for block in chain(blocks, (None,)):
        last = len(waiting) - early  # samples that are still to come at the end
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
    """The smallest reduction in dB that is at least `needed` and falls no faster than `_RELEASE`: (steps,)

    before: the reduction before the first step. seconds: length of a step.
    """
    fallen = torch.arange(len(needed) + 1, dtype=torch.double) * seconds / _RELEASE
    levels = torch.cat([before[None], needed]).log() + fallen
    return (levels.cummax(0).values - fallen).exp()[1:]
