"""Where data sets, runs and caches lie.

The environment variable MSDAE_HOME names the folder of all three. Without it they lie in the checkout that
the package runs from, or, where it was installed from a wheel, in the user's own data folder.
"""

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """The folder that `data` and `runs` lie in."""
    if folder := os.environ.get("MSDAE_HOME"):
        return Path(folder).expanduser()
    checkout = Path(__file__).parents[1]
    if (checkout / "setup.cfg").is_file() and os.access(checkout, os.W_OK):
        return checkout
    return Path(platformdirs.user_data_dir("msdae"))


def data() -> Path:
    """The folder of prepared data sets."""
    return home() / "data"


def runs() -> Path:
    """The folder of trainings and evaluations."""
    return home() / "runs"


def cache() -> Path:
    """The folder of what can be made again: pieces that were read, clips that were rendered."""
    return data() / "cache"
