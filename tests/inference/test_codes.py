"""Codes to look at, edit, average, save and load."""

import pytest
import torch

from msdae import checkpoint
from msdae.errors import UserError
from msdae.inference.codes import FACTS, Codes


def codes(length=100, model="model"):
    """Of four windows of 32 frames, or one: a pooled level and a level of 8 code frames."""
    windows = len(Codes({}, 32, 24, length, 1).starts)
    generator = torch.Generator().manual_seed(0)
    levels = {
        1: torch.randn(1, 5, 1, generator=generator),
        2: torch.randn(windows, 5, 8, generator=generator),
    }
    return Codes(levels, frames=32, stride=24, length=length, samples=length * 4096 - 7, model=model)


def test_windows_follow_from_the_length():
    assert codes(100).starts == [0, 24, 48, 68] and codes(20).starts == [0]
    with pytest.raises(UserError, match="level 2: a code of shape"):
        Codes({2: torch.zeros(3, 5, 8)}, 32, 24, 100, 409_600)
    with pytest.raises(UserError, match="level 3: these codes have levels 1, 2; "):
        codes()[3]


def test_means_are_over_time():
    means = codes().mean()
    torch.testing.assert_close(means[1], codes()[1][0, :, 0])
    torch.testing.assert_close(codes().mean(2), codes()[2].transpose(0, 1).flatten(1).mean(1))


def test_a_level_is_replaced_and_the_others_stay():
    one = codes()
    other = one.replace(1, torch.ones(5)).replace(2, torch.arange(5.0))
    assert torch.equal(other[1], torch.ones(1, 5, 1)) and other[2].shape == one[2].shape
    assert torch.equal(other.mean(2), torch.arange(5.0)) and not torch.equal(one.mean(2), other.mean(2))
    for level, bad in [(1, torch.zeros(6)), (2, torch.zeros(1, 5, 8)), (3, torch.zeros(5))]:
        with pytest.raises(UserError, match=f"level {level}"):
            one.replace(level, bad)


def test_codes_are_shown_in_a_line():
    shown = "Codes(levels={1: (1, 5, 1), 2: (4, 5, 8)}, length=100, model='0123456789ab')"
    assert repr(codes(100, "0123456789abcdef")) == shown


def counted(length):
    """Codes whose channels say which latent frame each code frame is at."""
    starts = torch.tensor(codes(length).starts)
    code = (starts[:, None] + torch.arange(0, 32, 4)).float()[:, None].expand(-1, 5, -1)
    return codes(length).replace(2, code)


@pytest.mark.parametrize(("length", "other"), [(100, 44), (44, 100), (300, 100), (100, 20), (20, 100)])
def test_codes_of_another_length_keep_their_time(length, other):
    """Regression: windows were matched by their number, also where they begin at other times."""
    fitted, wanted = counted(other).fitted(length, 9), counted(length)[2] % other
    early = (fitted[2] - wanted) % other  # windows of two recordings lie up to a code frame apart
    assert torch.minimum(early, other - early).max() < 4
    assert (fitted.samples, fitted.length, fitted.windows) == (9, length, codes(length).windows)
    assert torch.equal(fitted[1], codes(other)[1])


def test_codes_of_the_same_length_stay():
    one = codes()
    fitted = one.fitted(100, 8)
    assert fitted.samples == 8 and all(torch.equal(fitted[level], one[level]) for level in (1, 2))


def test_files_hold_everything(tmp_path):
    one = codes()
    one.save(tmp_path / "a.safetensors")
    other = Codes.load(tmp_path / "a.safetensors")
    assert all(torch.equal(one[level], other[level]) for level in (1, 2)) and list(other.levels) == [1, 2]
    for name in FACTS:
        assert getattr(one, name) == getattr(other, name)
    (tmp_path / "b.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:200])
    with pytest.raises(UserError, match="truncated"):
        Codes.load(tmp_path / "b.safetensors")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"frames": None}, "'frames' of its header is None, expected int"),
        ({"stride": 0}, "stride: is 0, expected 1 to"),
        ({"length": 10**12}, "length: is 1000000000000, expected 1 to"),
        ({"length": 10**6}, "a code of shape"),
        ({"model": 3}, "'model' of its header is 3"),
    ],
)
def test_edited_headers_are_refused(tmp_path, change, said):
    path = tmp_path / "a.safetensors"
    codes().save(path)
    tensors, header = checkpoint.load(path, "codes")
    checkpoint.save(path, "codes", tensors, {**header, **change})
    with pytest.raises(UserError, match=rf"a.safetensors: .*{said}.*; "):
        Codes.load(path)
    checkpoint.save(path, "codes", {"first": tensors["1"]}, header)
    with pytest.raises(UserError, match="a.safetensors: damaged"):
        Codes.load(path)
