import numpy as np
import pytest

from msdae.analysis.maqam.recording import ends, name


@pytest.mark.parametrize(
    ("cents", "label"), [(6000, "C4"), (6900, "A4"), (5012, "D3 +12 cents"), (6350.4, "E4 -50 cents")]
)
def test_names_of_pitches(cents, label):
    assert name(cents) == label


def test_first_and_last_third():
    assert ends(np.arange(10)).tolist() == [0, 1, 2, 7, 8, 9]
    assert ends(np.ones((4, 9))).shape == (4, 6)
