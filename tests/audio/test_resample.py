"""Resampling in blocks equals resampling at once."""

import pytest
import torch
import torchaudio

from msdae.audio import resample as resampling


@pytest.mark.parametrize(
    "old, new", [(16000, 44100), (48000, 44100), (44100, 16000), (192000, 44100), (8000, 44100)]
)
@pytest.mark.parametrize("block", [1000, 20001])
def test_blocks_equal_the_whole(old, new, block):
    waveform = torch.randn(2 * old + 321, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    whole = torchaudio.transforms.Resample(old, new)(waveform)
    joined = torch.cat(list(resampling.resample(waveform.split(block), old, new)))
    assert len(joined) == resampling.length(len(waveform), old, new)
    torch.testing.assert_close(joined, whole[: len(joined)], atol=2e-6, rtol=0)


def test_rates_without_a_common_factor_use_the_same_sinc():
    waveform = torch.randn(1600, generator=torch.Generator().manual_seed(0))
    direct = resampling._Direct(160, 441)(waveform)
    # torchaudio computes its kernel in single precision.
    torch.testing.assert_close(direct, torchaudio.transforms.Resample(160, 441)(waveform), atol=1e-4, rtol=0)


def test_equal_rates_change_nothing():
    waveform = torch.randn(100)
    assert torch.equal(torch.cat(list(resampling.resample([waveform], 44100, 44100))), waveform)
