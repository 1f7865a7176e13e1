import pytest
import torch

from msdae.audio.tuning import Tuned, offset
from msdae.audio.windows import Waveform

RATE = 44100
KEYS = (60, 62, 64, 65, 67, 55)


def line(cents, keys=KEYS, harmonics=8):
    """Notes of half a second, `cents` above the keys."""
    time = torch.arange(RATE // 2) / RATE
    hertz = [440 * 2 ** ((key - 69 + cents / 100) / 12) for key in keys]
    notes = [
        sum(0.1 / n * torch.sin(2 * torch.pi * n * f * time) for n in range(1, harmonics)) for f in hertz
    ]
    return torch.cat(notes)


@pytest.mark.parametrize("cents", [-40, -21, 0, 13, 33])
def test_the_tuning_of_a_line_is_heard(cents):
    assert offset(line(cents), RATE) == pytest.approx(cents, abs=5)


def test_quarter_tones_noise_and_silence_are_in_no_tuning():
    noise = torch.randn(2 * RATE, generator=torch.Generator().manual_seed(0))
    turns = torch.cat([line(0, [key]) if number % 2 else line(50, [key]) for number, key in enumerate(KEYS)])
    assert [offset(sound, RATE) for sound in (turns, noise, torch.zeros(RATE), torch.zeros(10))] == [0] * 4


def test_what_is_hardly_out_of_tune_is_left_as_it_is():
    sound = line(7)
    assert abs(offset(sound, RATE)) > 3
    assert torch.equal(torch.cat(list(Tuned(Waveform(sound), RATE).blocks())), sound)


@pytest.mark.parametrize("cents", [0, 30])
def test_a_source_in_tune_is_restored_to_its_tuning_and_length(cents):
    sound = line(cents)
    tuned = Tuned(Waveform(sound), RATE)
    heard = torch.cat(list(tuned.blocks()))
    assert len(heard) == tuned.samples and abs(offset(heard, RATE)) < 5
    restored = torch.cat(list(tuned.restored(heard.split(10_000))))
    assert len(restored) == len(sound)
    assert (restored - sound)[2000:-2000].abs().max() < 0.01
