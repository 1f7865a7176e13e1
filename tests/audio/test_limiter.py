"""What is too loud is turned down around its peaks alone, wherever blocks end."""

import pytest
import torch

from msdae.audio.limiter import limited
from msdae.audio.loudness import OUTPUT_PEAK

RATE = 44100


def at_once(waveform, rate=RATE):
    return torch.cat(list(limited([waveform], rate)))


def noise(samples, level):
    return level * torch.randn(samples, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("samples", [0, 1, 241, 242, 243, 1000, 100_001])
@pytest.mark.parametrize("rate", [1000, 16_000, RATE])
def test_no_sample_is_too_loud(samples, rate):
    loud = noise(samples, 0.5)
    loud[:: max(1, samples // 3)] = 4.0
    found = at_once(loud, rate)
    assert found.shape == loud.shape and not (found.abs() >= OUTPUT_PEAK).any()
    assert (found.abs() <= loud.abs()).all() and (found * loud >= 0).all()


@pytest.mark.parametrize("block", [1, 22, 500, 4096])
def test_the_result_does_not_depend_on_blocks(block):
    loud = noise(20_000, 0.4)
    torch.testing.assert_close(torch.cat(list(limited(loud.split(block), RATE))), at_once(loud))


def test_a_click_is_turned_down_and_the_rest_stays():
    quiet = noise(3 * RATE, 0.05)
    loud = quiet.clone()
    loud[RATE : RATE + 10] = -5.0
    found = at_once(loud)
    before, after = RATE - 300, 2 * RATE
    assert torch.equal(found[:before], quiet[:before])
    torch.testing.assert_close(found[after:], quiet[after:], atol=0, rtol=1e-3)
    assert found[RATE : RATE + 10].max() < -0.97 * OUTPUT_PEAK


def test_the_gain_has_no_jumps():
    loud = torch.full((RATE,), 0.5)
    loud[RATE // 2] = 5.0
    gain = at_once(loud) / loud
    steps = gain.diff()
    assert steps.min() > -0.02 and steps.max() < 1e-3 and gain[RATE // 2 - 300] == 1
    assert gain[RATE // 2 + RATE // 5] > 0.9


def test_what_is_not_too_loud_is_unchanged():
    quiet = noise(RATE, 0.15)
    assert torch.equal(at_once(quiet), quiet)
