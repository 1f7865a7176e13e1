import torch

from msdae.audio.levels import HOP
from msdae.audio.onsets import onsets
from msdae.audio.windows import Waveform

RATE = 44100


def tone(hertz, seconds, vibrato=0.0):
    time = torch.arange(round(seconds * RATE)) / RATE
    phase = 2 * torch.pi * hertz * time + vibrato * torch.sin(2 * torch.pi * 5.5 * time)
    return sum(0.2 / n * torch.sin(n * phase) for n in range(1, 8)) * torch.exp(-2 * time)


def seconds(sound):
    return onsets(Waveform(sound), RATE) * HOP / RATE


def test_notes_begin_where_they_do_across_what_is_heard_at_once():
    keys = [220 * 2 ** (n % 7 / 12) for n in range(100)]
    for silence in (0, 0.5):
        found = seconds(
            torch.cat([torch.zeros(round(silence * RATE)), *(tone(hertz, 0.3) for hertz in keys)])
        )
        assert len(found) == 100
        torch.testing.assert_close(found, silence + 0.3 * torch.arange(100), atol=0.03, rtol=0)


def test_vibrato_begins_no_notes():
    assert len(seconds(torch.cat([torch.zeros(RATE // 2), tone(440, 2, vibrato=2)]))) == 1


def test_silence_and_a_few_samples_have_none():
    assert not len(seconds(torch.zeros(RATE))) and not len(seconds(torch.zeros(1)))
