"""Cutting signals into overlapping windows and joining them without a seam."""

import itertools
import weakref

import numpy as np
import pytest
import soundfile
import torch

from msdae.audio import windows
from msdae.audio.files import open_recording
from msdae.errors import UserError


@pytest.mark.parametrize("length", [1, 9, 10, 11, 16, 17, 100])
@pytest.mark.parametrize("block", [1, 7, 200])
def test_windows_cover_a_signal_and_the_last_ends_where_it_ends(length, block):
    """Regression: the last window of a recording was mostly silence."""
    signal = torch.arange(float(length))
    firsts = windows.starts(length, window=10, stride=6)
    pieces = list(windows.cut(signal.split(block), firsts, window=10))
    assert firsts[0] == 0 and all(0 < step <= 6 for step in torch.tensor(firsts).diff().tolist())
    for first, piece in zip(firsts, pieces, strict=True):
        assert torch.equal(piece, signal[first : first + 10])
    assert all(len(piece) == min(10, length) for piece in pieces) and pieces[-1][-1] == length - 1


def test_what_lies_between_windows_is_not_kept():
    """Regression: all that was skipped was in memory at once, the silence of an hour too."""
    alive, most = weakref.WeakSet(), []

    def blocks():
        for first in range(0, 1000, 10):
            alive.add(block := torch.arange(float(first), first + 10))
            most.append(len(alive))
            yield block

    pieces = list(windows.cut(blocks(), [3, 985], window=12))
    assert [piece.tolist() for piece in pieces] == [[*map(float, range(n, n + 12))] for n in (3, 985)]
    assert max(most) <= 6


def test_join_of_equal_windows_leaves_no_seam():
    signal = torch.arange(1.0, 23.0)
    joined = torch.cat(list(windows.join(signal.unfold(0, 10, 6), 4, windows.crossfade_level)))
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
    sound = torch.cat(list(windows.padded(windows.Waveform(torch.ones(10)), 10, 300_000)))
    assert len(sound) == 300_000 and sound.sum() == 10
    longer = windows.Waveform(torch.ones(3 * windows.BLOCK))
    sound = torch.cat(list(windows.padded(longer, windows.BLOCK + 7, 2 * windows.BLOCK)))
    assert (
        len(sound) == 2 * windows.BLOCK
        and sound.sum() == sound[: windows.BLOCK + 7].sum() == windows.BLOCK + 7
    )


@pytest.mark.parametrize("bad", [torch.zeros(0), torch.zeros(2, 100), torch.tensor([0.0, float("nan")])])
def test_bad_waveforms_are_refused(bad):
    with pytest.raises(UserError, match="waveform"):
        windows.Waveform(bad)


def test_what_soundfile_reads_is_to_be_transposed():
    with pytest.raises(UserError, match=r"shape \(1000, 2\): .*; transpose it"):
        windows.as_source(torch.zeros(1000, 2), 44100)


RATE = 44100


def samples_of(sound, rate=RATE, sample_rate=None):
    source = windows.as_source(sound, rate, sample_rate)
    waveform = torch.cat(list(source.blocks()))
    assert source.samples == len(waveform)
    return waveform


@pytest.mark.filterwarnings("error")
def test_arrays_of_any_type_and_shape_are_sources():
    """Regression: for an array that must not be written, as the last one, a warning was printed."""
    sine = np.sin(2 * np.pi * 440 * np.arange(1000) / RATE) / 2
    expected = torch.from_numpy(sine).float()
    same = [
        sine,
        expected,
        sine.astype(np.float16),
        sine[None],
        np.stack([sine + 0.1, sine - 0.1]),
        (sine * 32768).astype(np.int16),
        torch.from_numpy(sine * 2**31).to(torch.int32),
        np.asfortranarray(np.stack([sine, sine])),
        sine[::-1].copy()[::-1],
        windows.Waveform(expected),
        np.frombuffer(sine.tobytes()),
    ]
    for sound in same:
        torch.testing.assert_close(samples_of(sound), expected, atol=1e-3, rtol=0)


def test_sources_are_brought_to_the_rate_that_is_asked_for(tmp_path):
    slow = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)
    fast = torch.sin(2 * torch.pi * 440 * torch.arange(44100) / 44100)
    soundfile.write(tmp_path / "a.wav", slow, 22050)
    recording = open_recording(tmp_path / "a.wav", 22050)
    sounds = [(tmp_path / "a.wav", None), (str(tmp_path / "a.wav"), 8000), (recording, None), (slow, 22050)]
    for sound, sample_rate in [*sounds, (windows.Waveform(torch.from_numpy(slow)), 22050)]:
        waveform = samples_of(sound, RATE, sample_rate)
        assert len(waveform) == 44100
        torch.testing.assert_close(waveform[1000:-1000], fast[1000:-1000], atol=1e-2, rtol=0)


@pytest.mark.parametrize(
    ("sound", "said"),
    [
        ([0.0, 0.1], "is a list"),
        (None, "is nothing"),
        (np.zeros(0), "not empty"),
        (np.zeros((100, 2)), "shape"),
        (np.zeros((1, 2, 3)), "shape"),
        (np.zeros(10, np.uint8), "int16"),
        (np.zeros(10, object), "waveform of object: give floating"),
        (np.array(["a"]), "int16"),
        (np.zeros(10, np.longdouble), "int16"),
        (np.full(10, np.nan), "NaN"),
        ("missing.wav", "no such file"),
    ],
)
def test_what_is_no_sound_is_refused(sound, said):
    with pytest.raises(UserError, match=said):
        windows.as_source(sound, RATE)
    with pytest.raises(UserError, match="sample_rate -1"):
        windows.as_source(np.zeros(10), RATE, -1)


class Given:
    """An object of a user's."""

    def __init__(self, samples, *blocks):
        self.samples, self.given = samples, blocks

    def blocks(self):
        yield from self.given


@pytest.mark.parametrize(
    ("samples", "blocks", "said"),
    [
        (0, [], "samples of a source: is 0, expected 1 or more"),
        (2.0, [torch.zeros(2)], "samples of a source: is 2.0, expected a whole number"),
        (5, [torch.zeros(3)], "a source of 5 samples gives 3 in its blocks; correct"),
        (5, [torch.zeros(3)] * 2, "a source of 5 samples gives 6 in its blocks; correct"),
        (3, [torch.tensor([0.0, 0.0, float("nan")])], "a source has NaN"),
        (3, [np.full(3, 1e300)], "a source has NaN or infinite samples"),
        (3, [torch.zeros(1, 3)], r"a block of shape \(1, 3\) and torch.float32: give"),
        (3, [np.zeros(3, int)], "torch.int64: give"),
        (3, [[0.0, 0.0, 0.0]], "a block that is a list: give"),
    ],
)
def test_wrong_objects_are_refused(samples, blocks, said):
    with pytest.raises(UserError, match=said):
        samples_of(Given(samples, *blocks))


def test_blocks_of_any_precision_are_taken():
    sine = np.sin(np.arange(100) / 5) / 2
    blocks = [sine[:10], torch.from_numpy(sine[10:50]), torch.from_numpy(sine[50:]).float()]
    assert torch.equal(samples_of(Given(100, *blocks)), torch.from_numpy(sine).float())
    assert samples_of(Given(100, *blocks), sample_rate=RATE // 2).shape == (200,)
    own = windows.Waveform(torch.zeros(3))
    assert windows.as_source(own, RATE) is own


@pytest.mark.parametrize(("rate", "reads"), [(100, 1), (1, 3)])
def test_a_source_is_kept_unless_it_is_long(rate, reads):
    """10 s are; 1 000 s are read anew each time."""

    class Counted(windows.Waveform):
        read = 0

        def blocks(self):
            type(self).read += 1
            return super().blocks()

    kept = windows.Kept(Counted(torch.rand(1000)), rate)
    again = [torch.cat(list(kept.blocks())) for _ in range(3)]
    assert Counted.read == reads and kept.samples == 1000
    assert all(torch.equal(sound, kept.source.waveform) for sound in again)
