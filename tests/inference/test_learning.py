import pytest

from msdae.inference.pipeline import Pipeline
from tests.inference.test_inference import Toy, random_model


class Sound:
    """A source of a user's, which knows its file in a way of its own."""

    def __init__(self, waveform, path):
        self.waveform, self.path, self.samples = waveform, path, len(waveform)

    def blocks(self):
        yield self.waveform


@pytest.mark.parametrize(("path", "names"), [("sounds/a.wav", ("a.wav",)), (None, ())])
def test_sources_of_ones_own_are_learnt(melody, path, names):
    """Regression: after all its steps learning ended in an error of the name of a path that is a text."""
    codec = Toy()
    pipeline = Pipeline(random_model(codec), codec)
    assert pipeline.learn(Sound(melody(4.0)[0], path), steps=1).names == names
