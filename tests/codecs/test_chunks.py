import pytest
import torch

from msdae.codecs.chunks import chunks, crossfaded

HOP = 10


def stretch(z, first):
    """Each frame's first channel, held for HOP samples."""
    return z[:, 0].repeat_interleave(HOP, dim=-1)


def whole(decode, z, chunk, context):
    return torch.cat(list(crossfaded(decode, [z], HOP, chunk, context)), dim=-1)


@pytest.mark.parametrize("block", [1, 5, 100])
@pytest.mark.parametrize("frames", [1, 8, 10, 11, 29])
def test_every_frame_is_owned_once_and_sees_its_neighbours(frames, block):
    z = torch.arange(frames).float()[None, None]
    found = list(chunks(z.split(block, dim=-1), chunk=8, context=2))
    assert sum(piece.own for piece in found) == frames
    for index, piece in enumerate(found):
        assert piece.first == 8 * index and piece.z[0, 0, piece.before] == piece.first
        assert piece.before == (2 if index else 0)
        assert piece.after == (2 if index < len(found) - 1 else 0)


@pytest.mark.parametrize("frames", [1, 7, 8, 9, 16, 29])
@pytest.mark.parametrize("batch", [1, 3])
def test_pieces_that_agree_join_to_the_whole(frames, batch):
    z = torch.randn(batch, 4, frames, generator=torch.Generator().manual_seed(frames))
    torch.testing.assert_close(whole(stretch, z, chunk=8, context=2), stretch(z, 0))


def test_a_decoder_is_told_where_its_frames_start():
    def place(z, first):
        return torch.arange(first * HOP, (first + z.shape[-1]) * HOP).float().expand(z.shape[0], -1)

    waveform = whole(place, torch.zeros(2, 1, 21), chunk=8, context=2)
    torch.testing.assert_close(waveform, torch.arange(210).float().expand(2, -1))


def test_neighbours_that_disagree_are_faded():
    def numbered(z, first):
        return torch.full((z.shape[0], z.shape[-1] * HOP), float(first))

    waveform = whole(numbered, torch.zeros(1, 1, 16), chunk=8, context=2)
    assert 0 < waveform.diff().abs().max() < 6 / HOP
