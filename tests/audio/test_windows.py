"""Cutting signals into overlapping windows and joining them without a seam."""

import itertools

import pytest
import torch

from msdae.audio import windows
from msdae.errors import UserError


@pytest.mark.parametrize("length", [1, 9, 10, 11, 16, 17, 100])
@pytest.mark.parametrize("block", [1, 7, 200])
def test_cut_and_join_are_inverse(length, block):
    signal = torch.arange(float(length))
    pieces = list(windows.cut(signal.split(block), window=10, stride=6))
    assert len(pieces) == windows.count(length, 10, 6)
    assert all(len(piece) == 10 for piece in pieces[:-1])
    if len(pieces) == 1:
        assert torch.equal(pieces[0], signal)
    else:
        whole = [torch.nn.functional.pad(piece, (0, 10 - len(piece))) for piece in pieces]
        joined = torch.cat(list(windows.join(whole, 4, windows.crossfade)))[:length]
        torch.testing.assert_close(joined, signal)


@pytest.mark.parametrize("phase", [0.0, 1.0, 2.0, 3.14])
def test_crossfade_level_has_no_jump_and_keeps_the_level(phase):
    time = torch.arange(3 * 8192) / 44100
    first, middle, last = torch.sin(2 * torch.pi * 440 * time).split(8192)
    _, after, following = torch.sin(2 * torch.pi * 440 * time + phase).split(8192)
    joined = torch.cat([first, windows.crossfade_level(middle, after), following])
    assert joined.diff().abs().max() <= 1.02 * torch.cat([first, middle, last]).diff().abs().max()


def test_crossfade_level_of_unrelated_sounds_keeps_the_power():
    generator = torch.Generator().manual_seed(0)
    before, after = torch.randn(2, 40000, generator=generator)
    powers = windows.crossfade_level(before, after).square().view(10, -1).mean(1)
    assert powers.min() > 0.9 and powers.max() < 1.1


def test_crossfade_level_of_equal_and_silent_sounds():
    sound = torch.randn(1000)
    torch.testing.assert_close(windows.crossfade_level(sound, sound), sound)
    assert torch.equal(windows.crossfade_level(torch.zeros(9), torch.zeros(9)), torch.zeros(9))


@pytest.mark.parametrize("samples", [1, 3, 1000, windows.BLOCK + 5])
def test_looped_repeats_without_end(samples):
    source = windows.Waveform(torch.full((samples,), 0.5))
    needed = 3 * windows.BLOCK
    blocks = itertools.islice(windows.looped(source), 12)
    sound = torch.cat(list(blocks))[:needed]
    assert len(sound) == needed
    if samples > 1000:
        middle = sound[samples + samples // 2]
        assert middle == 0.5
        assert sound.diff().abs().max() < 0.003  # no click where the end meets the beginning


def test_padded_ends_in_silence():
    sound = torch.cat(list(windows.padded(windows.Waveform(torch.ones(10)), 300_000)))
    assert len(sound) == 300_000 and sound.sum() == 10


@pytest.mark.parametrize("bad", [torch.zeros(0), torch.zeros(2, 100), torch.tensor([0.0, float("nan")])])
def test_bad_waveforms_are_refused(bad):
    with pytest.raises(UserError, match="waveform"):
        windows.Waveform(bad)
