import pytest
import torch

from msdae.evaluation.round_trip import measures

RATE = 44100


def notes(pitches):
    """(1, two seconds): a note every half a second."""
    time = torch.arange(2 * RATE) / RATE
    waveform = torch.zeros(len(time))
    for index, pitch in enumerate(pitches):
        since = (time - 0.5 * index).clamp_min(0)
        for partial in range(1, 9):
            hertz = 440 * 2 ** ((pitch - 69) / 12) * partial
            waveform += (time >= 0.5 * index) * torch.sin(2 * torch.pi * hertz * since) / partial
            waveform *= 1 - 0.5 * ((time > 0.5 * index) & (time < 0.5 * index + 0.001))
    return 0.1 * waveform[None]


def test_a_perfect_round_trip():
    found = measures(notes([60, 64, 67, 72]), notes([60, 64, 67, 72]), RATE)
    assert found["log-mel dB"] == 0 and found["pitch F1"] == 1 and found["onset correlation"] > 0.999


def test_other_notes_share_fewer_pitches():
    one, other = notes([60, 64, 67, 72]), notes([61, 66, 68, 73])
    assert measures(one, other, RATE)["pitch F1"] < 0.5
    assert 0.7 < measures(one, one + 0.001 * torch.randn(1, 2 * RATE), RATE)["pitch F1"] <= 1


@pytest.mark.parametrize("rate", [2000, 4000, 8000])
def test_pitches_are_heard_at_low_rates(rate):
    """Regression: the grid's highest pitches are above half of 4 kHz, and were NaN with all others."""
    time = torch.arange(2 * rate) / rate
    one, other = (
        0.1 * sum(torch.sin(2 * torch.pi * hertz * k * time) for k in (1, 2, 3))[None]
        for hertz in (220.0, 261.6)
    )
    assert measures(one, one, rate)["pitch F1"] == 1 and measures(one, other, rate)["pitch F1"] < 0.5


def test_noise_alone_shares_no_onsets():
    noise = 0.1 * torch.randn(1, 2 * RATE, generator=torch.Generator().manual_seed(0))
    assert measures(notes([60, 64, 67, 72]), noise, RATE)["onset correlation"] < 0.5
