"""Which clips make the global batch of a step: a pure function of seed and step."""

import functools
from collections.abc import Iterator

import numpy as np

from msdae.errors import UserError


@functools.lru_cache(maxsize=4)
def permutation(seed: int, epoch: int, clips: int) -> np.ndarray:
    """The order of the clips in an epoch: (clips,), int64."""
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(clips)


def positions(step: int, batch_size: int, rank: int, world: int) -> range:
    """The places in the endless stream of clips that this rank reads at this step.

    Raises:
        UserError: the batch cannot be divided among the ranks.
    """
    if batch_size < 1 or batch_size % world:
        raise UserError(f"a batch of {batch_size} clips cannot be divided among {world} processes")
    share = batch_size // world
    start = step * batch_size + rank * share
    return range(start, start + share)


def generators(
    seed: int, step: int, batch_size: int, rank: int = 0, world: int = 1
) -> list[np.random.Generator]:
    """One generator for each place of this rank's share of a step's batch; raises as `positions`."""
    return [np.random.default_rng([seed, step, place]) for place in positions(0, batch_size, rank, world)]


def batches(
    clips: int, batch_size: int, seed: int, start: int, rank: int, world: int
) -> Iterator[np.ndarray]:
    """Endless index arrays (batch_size // world,), from step `start`; epochs follow without a gap."""
    step = start
    while True:
        stream = positions(step, batch_size, rank, world)
        places = np.arange(stream.start, stream.stop)
        epochs = range(stream.start // clips, (stream.stop - 1) // clips + 1)
        yield np.concatenate(
            [permutation(seed, epoch, clips)[places[places // clips == epoch] % clips] for epoch in epochs]
        )
        step += 1
