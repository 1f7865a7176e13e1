"""Where data sets, runs, caches, the shipped weights and configurations, and the documentation lie.

The environment variable MSDAE_HOME names the folder of data sets, runs and caches. Without it they lie in the
checkout that the package runs from, or, if msdae was installed or the checkout is read-only, in the user's
data folder.
"""

import os
from pathlib import Path

import platformdirs

from msdae.errors import UserError

CHECKOUT = Path(__file__).parents[1]  # or, where msdae was installed, site-packages
ASSETS = Path(__file__).parent / "assets"  # trained weights, and the templates of pages
CONFIGS = "share/msdae/configs"  # in an installation; see [options.data_files] in setup.cfg


def home() -> Path:
    """The folder that `data` and `runs` lie in."""
    if folder := os.environ.get("MSDAE_HOME"):
        return Path(folder).expanduser()
    if _in_checkout() and os.access(CHECKOUT, os.W_OK):
        return CHECKOUT
    return Path(platformdirs.user_data_dir("msdae"))


def data() -> Path:
    """The folder of prepared data sets."""
    return home() / "data"


def runs() -> Path:
    """The folder of trainings and evaluations."""
    return home() / "runs"


def cache() -> Path:
    """The folder of what can be computed again, such as parsed pieces and encoded recordings."""
    return data() / "cache"


def configs() -> Path:
    """The folder of the shipped configurations: experiments/configs of a checkout or the installed copy.

    Raises:
        UserError: the installation has none.
    """
    if _in_checkout():
        return CHECKOUT / "experiments" / "configs"
    for folder in (CHECKOUT, *CHECKOUT.parents):  # pip puts share/ beside the package or beside lib/
        if (folder / CONFIGS).is_dir():
            return folder / CONFIGS
    raise UserError(f"{CONFIGS}: not above {CHECKOUT}; install msdae again, or run it from a checkout")


def docs() -> Path:
    """The folder of the documentation: docs in `home`, or else in the checkout that msdae runs from.

    Raises:
        UserError: there is none.
    """
    for folder in (home(), *([CHECKOUT] if _in_checkout() else [])):
        if (folder / "docs").is_dir():
            return folder / "docs"
    raise UserError(f"{home() / 'docs'}: no such folder; run this in a checkout of msdae")


def _in_checkout() -> bool:
    return (CHECKOUT / "setup.cfg").is_file()
