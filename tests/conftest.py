import os

import pytest

# Before torch starts its threads: the tests run beside each other (pytest -n).
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A synth data set of a few clips, prepared with the shipped codec."""
    from msdae import codecs
    from msdae.data import synth
    from msdae.data.embedded import make
    from msdae.data.encode import Encoding

    folder = tmp_path_factory.mktemp("tiny") / "synth"
    make("synth", folder, synth.Settings(clips=24, seed=7), Encoding(codecs.DEFAULT), workers=1)
    return folder
