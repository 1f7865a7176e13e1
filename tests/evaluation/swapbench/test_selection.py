"""A model on a few melodies."""

import pytest

from msdae.errors import UserError
from msdae.evaluation.swapbench.selection import quick
from msdae.inference.pipeline import Pipeline, Sampling

pytestmark = pytest.mark.usefixtures("few_references")


def test_quick_is_between_its_bounds(tiny_model, codec):
    pipeline, counts = Pipeline(tiny_model(2), codec, Sampling(steps=2)), {"monophonic": 1}
    scores = quick(pipeline, "unseen", counts=counts)
    assert 0 <= scores.score <= 1 and 0 <= scores.melody_f1 <= 1
    assert scores == quick(pipeline, "unseen", counts=counts)
    with pytest.raises(UserError, match="levels"):
        quick(pipeline, levels=(1, 2, 3))
