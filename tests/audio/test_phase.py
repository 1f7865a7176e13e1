import math

import pytest
import torch

from msdae.audio.phase import accumulated, followed, griffin_lim

HOP = 512
WINDOW = torch.hann_window(2048)


def magnitude(waveform):
    return torch.stft(waveform, 2048, HOP, window=WINDOW, return_complex=True).abs()


def inconsistency(waveform, wanted):
    """dB: how far the magnitudes of `waveform` are from the wanted ones."""
    return 20 * math.log10((magnitude(waveform) - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("frequency", [220.0, 441.3, 3000.0])
def test_a_steady_tone_gets_its_frequency_and_level_back(frequency):
    tone = 0.5 * torch.sin(2 * torch.pi * frequency * torch.arange(40 * HOP) / 44100)[None]
    wanted = magnitude(tone)
    made = griffin_lim(wanted, accumulated(wanted, HOP), WINDOW, HOP, rounds=0)[0, 8 * HOP : -8 * HOP]
    spectrum = torch.fft.rfft(made * torch.hann_window(len(made)), n=1 << 18).abs()
    assert int(spectrum.argmax()) * 44100 / (1 << 18) == pytest.approx(frequency, rel=2e-3)
    assert made.abs().max() == pytest.approx(0.5, abs=0.03)


def test_a_few_rounds_after_one_pass_beat_many_from_zero(tune):
    wanted = magnitude(tune)
    phases = accumulated(wanted, HOP)
    none, four = (
        inconsistency(griffin_lim(wanted, phases, WINDOW, HOP, rounds), wanted) for rounds in (0, 4)
    )
    from_zero = inconsistency(griffin_lim(wanted, torch.zeros_like(wanted), WINDOW, HOP, 16), wanted)
    assert four < none - 2 and four < from_zero - 2


def test_parts_continue_each_other(tune):
    wanted = magnitude(tune)
    whole = accumulated(wanted, HOP)
    first = accumulated(wanted[..., :100], HOP)
    second = accumulated(wanted[..., 100:], HOP, first[..., -1])
    torch.testing.assert_close(torch.cat([first, second], dim=-1), whole)


@pytest.mark.parametrize("rounds", [0, 4])
def test_noise_begins_without_a_click(rounds):
    """Bins that begin with equal phases are an impulse, one hop after the start."""
    noise = 0.1 * torch.randn(1, 40 * HOP, generator=torch.Generator().manual_seed(0))
    wanted = magnitude(noise)
    made = griffin_lim(wanted, accumulated(wanted, HOP), WINDOW, HOP, rounds)
    assert made.abs().max() < 1.3 * noise.abs().max()


def test_silence_has_phases_too():
    silence = torch.zeros(2, 1025, 5)
    assert accumulated(silence, HOP).isfinite().all()
    assert not griffin_lim(silence, accumulated(silence, HOP), WINDOW, HOP, 2).any()


@pytest.mark.parametrize("hop", [512, 600])
def test_frames_are_put_together_as_by_torch(tune, hop):
    spectrum = torch.stft(tune, 2048, hop, window=WINDOW, return_complex=True)
    made = griffin_lim(spectrum.abs(), spectrum.angle(), WINDOW, hop, rounds=0)
    theirs = torch.istft(spectrum, 2048, hop, window=WINDOW)
    torch.testing.assert_close(made, theirs, atol=1e-5, rtol=0)


def test_harmonics_tell_where_a_low_partial_is():
    """A decoder that blurs the lowest bins leaves no trace of the frequency but in the harmonics."""
    time, pitch = torch.arange(40 * HOP) / 44100, 137.0
    wanted = magnitude(sum(0.1 * torch.sin(2 * torch.pi * n * pitch * time)[None] for n in range(1, 9)))
    wanted[:, 5] = wanted[:, 7]  # the first partial, as if in the middle of bin 6: 129 Hz
    turns = accumulated(wanted, HOP)[0, 6, 10:-10].diff() / (2 * torch.pi)
    hertz = (1 + (turns % 1).mean()) * 44100 / HOP  # it turns between once and twice in a hop
    assert hertz == pytest.approx(pitch, abs=2)


@pytest.mark.parametrize("n_fft", [2, 16, 64])
def test_a_spectrum_of_few_bins_has_phases(n_fft):
    assert accumulated(torch.rand(1, n_fft // 2 + 1, 9), n_fft // 4 or 1).isfinite().all()


def harmonics(pitch, seconds=0.5):
    time = torch.arange(int(seconds * 44100) // HOP * HOP) / 44100
    return sum(0.2 / n * torch.sin(2 * torch.pi * n * pitch * time)[None] for n in range(1, 20))


def test_what_is_followed_are_phases_of_partials_that_lie_close():
    bass, flute = harmonics(50.0), harmonics(440.0)
    spectra = [torch.stft(sound, 2048, HOP, window=WINDOW, return_complex=True) for sound in (bass, flute)]
    low, high = (followed(spectrum.abs(), spectrum, 44100) for spectrum in spectra)
    assert low.kept.shape == low.phases.shape and low.kept.shape[1] == 46  # bins below 1 kHz
    assert low.kept[..., 4:-4].float().mean() > 0.8 > 0.2 > high.kept[..., 4:-4].float().mean()
    assert not followed(spectra[0].abs(), spectra[0] * 1e-3, 44100).kept.any()  # a pause of the recording


@pytest.mark.parametrize("rounds", [0, 4])
def test_blurred_partials_get_the_pitch_of_what_is_followed(rounds):
    bass = harmonics(50.0)
    spectrum = torch.stft(bass, 2048, HOP, window=WINDOW, return_complex=True)
    blurred = torch.nn.functional.avg_pool1d(spectrum.abs().transpose(1, 2), 5, 1, 2).transpose(1, 2)
    line = followed(blurred, spectrum, 44100)
    phases = accumulated(blurred, HOP, known=line)
    made = griffin_lim(blurred, phases, WINDOW, HOP, rounds, line.kept)[0, 8 * HOP : -8 * HOP]
    shifted = [float(torch.cosine_similarity(made[lag:], made[:-lag], dim=0)) for lag in (882, 700, 1100)]
    assert shifted[0] > 0.9 and shifted[0] > max(shifted[1:]) + 0.2  # 882 samples are a period


@pytest.mark.parametrize(("n_fft", "rate"), [(16, 44100), (64, 96000), (1024, 1000)])
def test_short_and_slow_transforms_are_followed_too(n_fft, rate):
    spectrum = torch.polar(torch.rand(1, n_fft // 2 + 1, 9), torch.rand(1, n_fft // 2 + 1, 9))
    line = followed(spectrum.abs(), spectrum, rate)
    assert line.kept.shape == line.phases.shape and line.kept.shape[1] >= 1


def test_what_is_followed_can_be_traced():
    """As a plugin's windows are, whose shapes are tensors then."""
    spectrum = torch.stft(harmonics(50.0), 2048, HOP, window=WINDOW, return_complex=True)
    example = spectrum.abs(), spectrum
    traced = torch.jit.trace(lambda wanted, own: tuple(followed(wanted, own, 44100)), example)
    for mine, theirs in zip(followed(*example, 44100), traced(*example), strict=True):
        torch.testing.assert_close(theirs, mine)
