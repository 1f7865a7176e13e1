import random

import numpy as np
import pytest

from msdae.errors import UserError
from msdae.synthesis import effects
from msdae.synthesis.effects import EffectsConfig


def test_the_deepest_tremolo_falls_silent_and_a_deeper_one_is_refused():
    """Regression: depths up to 10 were taken, which turned the sound over and made it many times as loud."""
    config = EffectsConfig(tremolo_depth=(0.5, 0.5))
    curve = effects.tremolo(np.ones(44100, np.float32), [], random.Random(0), config)
    assert curve.min() == pytest.approx(0, abs=1e-3) and curve.max() == pytest.approx(1, abs=1e-3)
    with pytest.raises(UserError, match="tremolo_depth: is 0.6, expected 0 to 0.5"):
        EffectsConfig(tremolo_depth=(0.1, 0.6))
