from types import SimpleNamespace

import torch

from msdae.inference.listen import listen
from tests.inference.test_inference import Toy, random_model


class Moved(Toy):
    """Notes the device that it is moved to."""

    def to(self, device):
        self.device = device
        return self


def test_the_codec_is_moved_to_the_model():
    """Regression: a model that trains on an accelerator met a codec that was loaded on the CPU."""
    codec = Moved()
    waveforms = listen(random_model(codec), codec, SimpleNamespace(z=torch.randn(2, 64, codec.clip_frames)))
    assert codec.device == torch.device("cpu")
    assert {len(waveform) for waveform in waveforms.values()} == {codec.clip_samples} and len(waveforms) == 4
