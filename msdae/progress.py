"""Progress bars belong to command lines: the library takes `progress=`, which has tqdm's interface.

Command lines pass `tqdm` itself; without it nothing is shown.
"""

from collections.abc import Callable
from functools import partial

from tqdm import tqdm

Progress = Callable[..., tqdm]

silent: Progress = partial(tqdm, disable=True)


def wholes(bar: tqdm) -> Callable[[float], None]:
    """`bar.update` for fractions, of which the bar shows the whole part and no rounding error."""
    done = 0.0

    def update(amount: float) -> None:
        nonlocal done
        done += amount
        bar.update(int(done + 1e-6) - bar.n)

    return update
