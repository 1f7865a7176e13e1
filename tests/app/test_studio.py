import math

import pytest
import torch

from msdae import audio
from msdae.app.jobs import Queue
from msdae.app.library import Library
from msdae.app.studio import Studio


class Quick:
    """A pipeline of another rate than the page's, which renders a second of a tone."""

    sample_rate = 48000

    def render(self, mix, advance):
        return torch.sin(2 * math.pi * 440 * torch.arange(48000) / 48000)


def test_renderings_of_another_rate_are_kept_at_that_of_clips(tmp_path):
    studio = Studio(Quick, Library(tmp_path), tmp_path, Queue())
    studio.pipeline = Quick()
    waveform = studio._rendered(None, lambda share: None)
    assert len(waveform) == audio.SAMPLE_RATE
    assert int(torch.fft.rfft(waveform).abs().argmax()) == pytest.approx(440, abs=1)
