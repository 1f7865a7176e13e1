import torch

from msdae.nn.causal import CausalTransformer
from msdae.nn.transformer import RotaryPositions


def network():
    torch.manual_seed(0)
    return CausalTransformer(16, 2, 2, 0.0).eval()


def test_nothing_that_follows_is_heard():
    x = torch.randn(1, 6, 16)
    changed = x.clone()
    changed[:, 4:] = torch.randn(1, 2, 16)
    before, after = network()(x), network()(changed)
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4:], after[:, 4:])


def test_a_cache_gives_the_same_piece_by_piece():
    x, cache = torch.randn(2, 7, 16), []
    whole = network()(x)
    net = network()
    parts = [net(part, cache) for part in x.split([3, 1, 2, 1], dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-5, rtol=1e-4)


def test_a_pair_of_features_has_one_angle_whatever_the_width():
    """Also of 98, of which a step of 2 / 98 goes into 1 one time too often in floating point."""
    assert all(len(RotaryPositions(width, 1000.0).frequencies) == width // 2 for width in range(2, 512, 2))
    assert CausalTransformer(196, 1, 2, 0.0)(torch.randn(1, 3, 196)).shape == (1, 3, 196)
    assert torch.equal(RotaryPositions(32, 1000.0).frequencies, 1000.0 ** -torch.arange(0, 1, 1 / 16))
