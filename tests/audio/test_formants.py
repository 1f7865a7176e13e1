import pytest
import torch

from msdae.audio import formants

RATE, SAMPLES = 44100, 131072


@pytest.mark.parametrize("ratio", [0.8, 1.25])
def test_formants_stay_where_they_were(ratio):
    spectrum = torch.fft.rfft(torch.randn(SAMPLES, generator=torch.Generator().manual_seed(0)))
    hertz = torch.fft.rfftfreq(SAMPLES, 1 / RATE)

    def noise(centre: float) -> torch.Tensor:
        return torch.fft.irfft(spectrum * torch.exp(-(((hertz - centre) / 1500) ** 2)) + 1e-3)

    power = torch.fft.rfft(formants.kept(noise(4000 * ratio), ratio)).abs().square()
    assert float((power * hertz).sum() / power.sum()) == pytest.approx(4000, rel=0.1)


def test_an_envelope_is_scaled_as_a_waveform_that_is_resampled():
    slope = torch.linspace(0, 10, formants.FFT // 2 + 1)
    torch.testing.assert_close(formants.scaled(slope, 2.0), slope / 2)
    torch.testing.assert_close(formants.factors(slope + 1, slope), torch.full_like(slope, torch.e))
