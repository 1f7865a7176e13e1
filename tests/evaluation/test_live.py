import pytest
import torch

from msdae.evaluation import live


def bursts(seed: int) -> torch.Tensor:
    """Noise that begins at four places and fades."""
    generator = torch.Generator().manual_seed(seed)
    waveform = torch.zeros(88200)
    for onset in (5000, 21000, 44000, 52000):
        waveform[onset : onset + 9000] += torch.randn(9000, generator=generator) * torch.linspace(1, 0, 9000)
    return waveform


@pytest.mark.parametrize("late", [-6400, 0, 64, 20_000])
def test_the_lag_of_onsets_in_another_sound(late):
    source, other = bursts(0), 0.1 * bursts(1)
    output = torch.roll(other, late)
    assert live.lag(source, output, 30_000) == pytest.approx(late, abs=128)


def test_steps_at_joins_are_rough():
    smooth = torch.sin(torch.arange(88200) / 20)
    assert live.roughness(smooth, 4096, 64) == pytest.approx(1, abs=0.05)
    stepped = smooth + 0.2 * (torch.arange(88200) // 4096 % 2)
    assert live.roughness(stepped, 4096, 64) > 3


def test_silence_and_short_sounds_have_neither_lag_nor_joins():
    for waveform in (torch.zeros(88200), torch.zeros(3), torch.ones(1)):
        assert live.lag(waveform, waveform, 9000) == 0
        assert live.roughness(waveform, 4096, 64) == 1
