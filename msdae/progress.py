"""Progress bars: functions of the library take an argument `progress` with the interface of tqdm.

Command lines pass `tqdm` itself; the default, `silent`, shows nothing.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from tqdm import tqdm

Progress = Callable[..., tqdm]

silent: Progress = partial(tqdm, disable=True)


def wholes(bar: tqdm) -> Callable[[float], None]:
    """A `bar.update` that also takes fractions: the bar shows the whole part of their sum."""
    done = 0.0

    def update(amount: float) -> None:
        nonlocal done
        done += amount
        bar.update(int(done + 1e-6) - bar.n)

    return update


@contextmanager
def muted(package: str) -> Iterator[None]:
    """A block in which a package logs warnings alone, as a progress bar is enough."""
    log = logging.getLogger(package)
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)
