import pytest
import torch

from msdae.nn.tokens import CrossAttention, TokenEncoder, Tokens, gathered, weights_of


def encoder(bands=16, patch=8):
    torch.manual_seed(0)
    return TokenEncoder(torch.zeros(bands), torch.ones(bands), 24, patch, 12).eval()


def attention():
    torch.manual_seed(0)
    layer = CrossAttention(16, 12, 4).eval()
    torch.nn.init.normal_(layer.output.weight, std=0.1)
    return layer


def a_set(tokens, seed=0, batch=2):
    generator = torch.Generator().manual_seed(seed)
    return Tokens(
        torch.randn(batch, 12, tokens, generator=generator), torch.full((batch, tokens), 1 / tokens)
    )


def read(layer, x, tokens):
    return layer(x, tokens.values, tokens.weights.log())


@pytest.mark.parametrize(("frames", "count"), [(64, 8), (8, 1), (3, 1), (65, 9)])
def test_a_token_for_each_patch_of_time(frames, count):
    values, levels = encoder()(torch.rand(2, 16, frames))
    assert values.shape == (2, 12, count) and levels.shape == (2, count)
    torch.testing.assert_close(values.square().mean(dim=1), torch.ones(2, count), rtol=1e-2, atol=1e-2)


def test_silence_has_no_weight():
    mel = torch.rand(2, 16, 64)
    mel[0, :, 32:] = 0
    mel[1] = 0
    _, levels = encoder()(mel)
    weights = weights_of(levels)
    assert torch.allclose(weights.sum(dim=1), torch.tensor([1.0, 0.0]))
    assert (weights[0, :4] == 0.25).all() and not weights[0, 4:].any()
    kept = torch.tensor([[True, False] * 4] * 2)
    assert (weights_of(levels, kept)[0] > 0).tolist() == [True, False, True] + [False] * 5
    assert not weights_of(levels, torch.zeros(2, 8, dtype=torch.bool)).any()


def test_attention_starts_as_a_no_op():
    x, tokens = torch.randn(2, 16, 10), a_set(5)
    assert torch.equal(read(CrossAttention(16, 12, 4), x, tokens), x)


def test_attention_reads_a_set_whatever_its_order_and_however_often_it_is_repeated():
    layer, x, tokens = attention(), torch.randn(2, 16, 10), a_set(6)
    plain = read(layer, x, tokens)
    assert not torch.allclose(plain, x, atol=1e-3)
    order = torch.randperm(6)
    shuffled = Tokens(tokens.values[..., order], tokens.weights)
    twice = Tokens(tokens.values.repeat(1, 1, 2), tokens.weights.repeat(1, 2) / 2)
    for other in (shuffled, twice, tokens.padded(9), tokens.mixed(tokens, 0.3)):
        torch.testing.assert_close(read(layer, x, other), plain, rtol=1e-4, atol=1e-5)


def test_mixed_sets_go_from_one_to_the_other():
    layer, x, one, other = attention(), torch.randn(2, 16, 10), a_set(6), a_set(3, seed=1)
    ends = read(layer, x, one), read(layer, x, other)
    assert one.mixed(other, 0.0) is one and one.mixed(other, 1.0) is other
    distances = [(read(layer, x, one.mixed(other, s)) - ends[0]).norm() for s in (0.01, 0.3, 0.6, 0.99)]
    assert distances == sorted(distances)
    torch.testing.assert_close(read(layer, x, one.mixed(other, 1 - 1e-6)), ends[1], rtol=1e-3, atol=1e-4)
    assert torch.allclose(one.mixed(other, 0.3).weights.sum(dim=1), torch.ones(2))


def test_tokens_of_many_windows_are_drawn_evenly_and_without_silence():
    values = torch.arange(24.0).view(4, 1, 6)
    levels = torch.ones(4, 6)
    levels[1] = 0.001
    kept = gathered(values, levels, 100)
    assert kept.values.flatten().tolist() == [0, 1, 2, 3, 4, 5, *range(12, 24)]
    assert torch.allclose(kept.weights.sum(), torch.tensor(1.0))
    some = gathered(values, levels, 4)
    assert some.values.flatten().tolist() == [0, 12, 17, 23] and (some.weights == 0.25).all()
    assert gathered(values, 0 * levels + 1, 1).values.shape == (1, 1, 1)


def test_longest_silence_is_a_set_without_weight():
    tokens = gathered(torch.randn(2, 12, 6), torch.zeros(2, 6), 8)
    assert tokens.values.shape == (1, 12, 0) and tokens.weights.shape == (1, 0)
