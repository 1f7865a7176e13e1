import pytest
import torch

from msdae.evaluation import opus


@pytest.mark.skipif(not opus.is_here(), reason="libsndfile without Opus")
def test_more_bits_leave_more():
    time = torch.arange(44100) / 44100
    tones = torch.stack(
        [sum(torch.sin(2 * torch.pi * f * k * time) / k for k in range(1, 9)) for f in (220, 331)]
    )
    tones = 0.1 * tones
    lost = [float((opus.round_trip(tones, 44100, rate) - tones).square().mean()) for rate in (6, 16, 64)]
    assert lost[0] > lost[1] > lost[2] and lost[2] < 0.05 * float(tones.square().mean())
