"""Progress bars belong to command lines: the library takes `progress=`, which has tqdm's interface.

Command lines pass `tqdm` itself; without it nothing is shown.
"""

from collections.abc import Callable
from functools import partial

from tqdm import tqdm

Progress = Callable[..., tqdm]

silent: Progress = partial(tqdm, disable=True)
