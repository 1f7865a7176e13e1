import pytest
import torch

from msdae.audio.periods import periods
from msdae.audio.windows import Waveform
from msdae.inference.decoding import decoded
from msdae.inference.pipeline import Mix, Pipeline
from msdae.inference.sources import Melody

RATE = 44100


@pytest.fixture(scope="module")
def renderer():
    return Pipeline.from_pretrained()


def line(hertz, seconds=1.0, harmonics=19):
    time = torch.arange(int(seconds * RATE)) / RATE
    notes = [
        sum(0.2 / n * torch.sin(2 * torch.pi * n * pitch * time) for n in range(1, harmonics + 1))
        for pitch in hertz
    ]
    return torch.cat(notes)


def pitch(waveform):
    """Hz, between 30 and 130, by autocorrelation."""
    correlation = torch.fft.irfft(torch.fft.rfft(waveform, 2 * len(waveform)).abs().square())
    first, last = round(RATE / 130), round(RATE / 30)
    return RATE / (first + int(correlation[first:last].argmax()))


def test_a_bass_line_keeps_its_pitches(renderer):
    hertz = [55.0, 65.4, 49.0, 73.4]
    swapped = renderer.swap(line([220.0, 262.0, 330.0], harmonics=6), line(hertz))
    for number, wanted in enumerate(hertz):
        note = swapped[int((number + 0.25) * RATE) : int((number + 0.9) * RATE)]
        assert pitch(note) == pytest.approx(wanted, rel=0.02)


def test_latents_may_be_longer_than_what_is_followed(renderer):
    melody = line([110.0], 0.5)
    z = renderer.sample(renderer.encode(melody))
    longer = torch.cat([z, z], dim=1)
    frames = longer.shape[1] * renderer.codec.hop
    whole = torch.cat(list(decoded(renderer, longer, 10**9, Short(melody))))
    silence = torch.zeros(frames - len(melody))
    (expected,) = renderer.codec.follow([longer[None]], [torch.cat([melody, silence])[None]])
    torch.testing.assert_close(whole, expected[0], atol=1e-4, rtol=0)


class Short:
    def __init__(self, waveform):
        self.waveform, self.samples = waveform, len(waveform)

    def blocks(self):
        yield self.waveform


def test_a_melody_is_followed_where_the_notes_are_its_own():
    assert Mix("b.wav").keeps(3) and Mix("b.wav", {1: "a.wav"}).keeps(3)
    assert not Mix("b.wav", {3: "a.wav"}).keeps(3)


def test_vibrato_quarter_tones_and_accents_are_the_melody_sources(renderer):
    """Regression: notes came out on the keys, without vibrato, and all as loud."""
    time = torch.arange(RATE, dtype=torch.double) / RATE
    cents = torch.cat([45 * torch.sin(2 * torch.pi * 5.5 * time), torch.full_like(time, 40), 0 * time])
    phase = 2 * torch.pi * (440 * 2 ** (cents / 1200)).cumsum(0) / RATE
    gain = torch.tensor([1.0, 1.0, 0.2]).repeat_interleave(RATE) * (time * 20).clamp(max=1).repeat(3)
    melody = (gain * sum(0.2 / n * torch.sin(n * phase) for n in range(1, 8))).float()
    swapped = renderer.swap(line([220.0, 262.0, 330.0], harmonics=6), melody)
    assert len(swapped) == len(melody)
    heard = periods(Waveform(swapped), RATE)
    for begin in (0.3, 1.3, 2.3):
        own = (heard.seconds > begin) & (heard.seconds < begin + 0.6) & (heard.hertz > 0)
        bends = 1200 * (heard.hertz[own] / 440).log2()
        bends -= 1200 * (bends / 1200).round()
        wanted = cents[(heard.seconds[own] * RATE).round().long()]
        assert own.sum() > 40 and (bends - wanted).abs().quantile(0.8) < 12
    loud, soft = (swapped[int(a * RATE) : int((a + 0.6) * RATE)].square().mean() for a in (1.2, 2.2))
    assert 10 * (loud / soft).log10() > 8


def test_bends_are_the_melodys_where_all_that_follows_time_is_its_own(renderer):
    """Regressions: two melodies drifted apart, and a resolved source used again was an AttributeError."""
    high, low = line([220.0, 262.0], harmonics=6), line([110.0, 131.0], harmonics=6)
    assert isinstance(renderer.resolved(Mix(high, {1: low})).melody, Melody)
    mixed = renderer.resolved(Mix(high, {2: low}))
    assert not isinstance(mixed.melody, Melody)
    for again in (mixed.melody, mixed.levels[2]):
        assert len(renderer.render(Mix(again))) == len(high)
