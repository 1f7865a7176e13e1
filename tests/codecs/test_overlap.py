import pytest
import torch

from msdae.codecs.overlap import crossfaded

HOP = 10


def stretch(z, first):
    """Each frame's first channel, held for HOP samples."""
    return z[:, 0].repeat_interleave(HOP, dim=-1)


@pytest.mark.parametrize("frames", [1, 7, 8, 9, 16, 29])
@pytest.mark.parametrize("batch", [1, 3])
def test_pieces_that_agree_join_to_the_whole(frames, batch):
    z = torch.randn(batch, 4, frames, generator=torch.Generator().manual_seed(frames))
    torch.testing.assert_close(crossfaded(stretch, z, HOP, chunk=8, context=2), stretch(z, 0))


def test_a_decoder_is_told_where_its_frames_start():
    def place(z, first):
        return torch.arange(first * HOP, (first + z.shape[-1]) * HOP).float().expand(z.shape[0], -1)

    waveform = crossfaded(place, torch.zeros(2, 1, 21), HOP, chunk=8, context=2)
    torch.testing.assert_close(waveform, torch.arange(210).float().expand(2, -1))


def test_no_piece_is_longer_than_chunk_and_context():
    sizes = []

    def count(z, first):
        sizes.append(z.shape[0] * z.shape[-1])
        return stretch(z, first)

    crossfaded(count, torch.zeros(5, 1, 100), HOP, chunk=8, context=2)
    crossfaded(count, torch.zeros(50, 1, 2), HOP, chunk=8, context=2)
    assert max(sizes) == 8 + 2 * 2


def test_neighbours_that_disagree_are_faded():
    def numbered(z, first):
        return torch.full((z.shape[0], z.shape[-1] * HOP), float(first))

    waveform = crossfaded(numbered, torch.zeros(1, 1, 16), HOP, chunk=8, context=2)
    assert waveform.diff().abs().max() == pytest.approx(6 / (2 * HOP), rel=1e-3)
