import pytest

from msdae.errors import UserError
from msdae.evaluation.priors import codes
from msdae.inference.pipeline import Pipeline
from msdae.models.priors import PRIORS, PriorSampling
from msdae.models.priors.base import new
from msdae.models.priors.grid import Grid


def test_nothing_to_compare_with_is_an_error():
    """Regression: held-out recordings that are all silent ended with a ValueError of NumPy."""
    pipeline = Pipeline.from_pretrained("embedded", "cpu")
    facts = Grid.of(pipeline.model), pipeline.fingerprint, 0
    prior = new("gaussian", PRIORS["gaussian"].Config(window=32, components=4), *facts)
    with pytest.raises(UserError, match="no held-out recording with sound to compare with; give others"):
        codes.distance(prior, [], PriorSampling(), points=8)
