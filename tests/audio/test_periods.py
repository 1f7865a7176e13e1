import pytest
import torch

from msdae.audio.periods import periods
from msdae.audio.windows import Waveform

RATE = 44100


def tone(hertz):
    """hertz: (samples,)."""
    phase = 2 * torch.pi * hertz.double().cumsum(0) / RATE
    return sum(0.1 / n * torch.sin(n * phase) for n in range(1, 8)).float()


def cents(hertz, other):
    difference = 1200 * (hertz / other).log2()
    return difference - 1200 * (difference / 1200).round()


@pytest.mark.parametrize("hertz", [65, 110, 440, 1500])
def test_vibrato_is_heard_where_it_is(hertz):
    time = torch.arange(4 * RATE) / RATE
    wanted = hertz * 2 ** (50 * torch.sin(2 * torch.pi * 5.5 * time) / 1200)
    heard = periods(Waveform(tone(wanted)), RATE)
    assert (heard.hertz > 0).all()
    at = wanted[(heard.seconds * RATE).round().long()]
    assert cents(heard.hertz, at).std() < 4


@pytest.mark.parametrize("keys", [(0, 4, 7), (0, 3, 9), (0, 6, 10), (0, 10)])
def test_chords_and_noise_have_no_period(keys):
    chord = sum(tone(torch.full((RATE,), 220 * 2 ** (key / 12))) for key in keys)
    noise = torch.randn(RATE, generator=torch.Generator().manual_seed(0))
    for sound in (chord, noise, torch.zeros(RATE)):
        assert (periods(Waveform(sound), RATE).hertz > 0).float().mean() < 0.2, keys


def test_what_is_heard_at_once_makes_no_difference():
    sound = tone(torch.linspace(200, 400, 15 * RATE))
    whole, late = periods(Waveform(sound), RATE), periods(Waveform(sound[4 * 512 :]), RATE)
    torch.testing.assert_close(late.hertz[10:-10], whole.hertz[14:-10], rtol=1e-3, atol=0)
    assert len(periods(Waveform(torch.zeros(1)), RATE).hertz) == 1
