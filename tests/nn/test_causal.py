import torch

from msdae.nn.causal import CausalTransformer


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
