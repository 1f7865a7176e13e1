"""Adapters of a small U-Net: what they change, and that nothing is left behind."""

from threading import Thread

import pytest
import torch

from msdae.models.adapter import Adapter
from msdae.nn.unet import UNet

FRAMES = 8


@pytest.fixture
def unet():
    torch.manual_seed(0)
    network = UNet(4, (8, 8), (3, 3), (1, 0), (True, False), at_input=True, embedding=8)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network.eval().requires_grad_(False)


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    noisy, level, pooled, timed = ((2, 4, FRAMES), (2,), (2, 3, 1), (2, 3, FRAMES))
    draw = lambda shape: torch.randn(shape, generator=generator)  # noqa: E731
    return draw(noisy), draw(level), [draw(pooled), draw(timed)]


def random(unet, seed, rank=2):
    generator = torch.Generator().manual_seed(seed)
    tensors = Adapter.fresh(unet, rank, generator).tensors()
    return Adapter({name: 0.2 * torch.randn(t.shape, generator=generator) for name, t in tensors.items()})


def applied(adapter, unet, inputs):
    with adapter.applied(unet):
        return unet(*inputs)


def test_a_fresh_adapter_changes_nothing(unet, inputs):
    adapter = Adapter.fresh(unet, 4, torch.Generator())
    torch.testing.assert_close(applied(adapter, unet, inputs), unet(*inputs), rtol=0, atol=0)
    assert adapter.fits(unet) and not Adapter.fresh(UNet(4, (16,), (3,), (0,)), 4, torch.Generator()).fits(
        unet
    )


def test_it_is_the_low_rank_change_of_every_weight(unet, inputs):
    adapter = random(unet, 0)
    output, tensors = applied(adapter, unet, inputs), adapter.tensors()
    with torch.no_grad():
        for name, layer in unet.named_modules():
            if f"{name}.down" in tensors:
                change = tensors[f"{name}.up"] @ tensors[f"{name}.down"].flatten(1)
                layer.weight += change.view_as(layer.weight)
                layer.bias += tensors[f"{name}.bias"]
    torch.testing.assert_close(unet(*inputs), output)


def test_taken_off_the_network_is_as_before(unet, inputs):
    before = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    plain = unet(*inputs)
    changed = applied(random(unet, 0), unet, inputs)
    with pytest.raises(RuntimeError), random(unet, 0).applied(unet):
        raise RuntimeError
    assert (changed - plain).abs().max() > 0.01
    assert torch.equal(unet(*inputs), plain)
    assert all(torch.equal(tensor, before[name]) for name, tensor in unet.state_dict().items())


def test_a_sum_adds_the_changes(unet, inputs):
    a, b = random(unet, 0), random(unet, 1, rank=3)
    total = Adapter.sum([a, b], [0.3, 0.7])
    with torch.no_grad():
        name = "middle.conv1"
        x = torch.randn(2, 8, FRAMES)
        layer = unet.middle.conv1
        change = lambda adapter: _output(adapter, unet, layer, x) - layer(x)  # noqa: E731
        torch.testing.assert_close(change(total), 0.3 * change(a) + 0.7 * change(b))
    assert len(total.tensors()[f"{name}.down"]) == 5 and total.fits(unet)
    halves = Adapter.sum([a, a], [0.5, 0.5])
    torch.testing.assert_close(applied(halves, unet, inputs), applied(a, unet, inputs))


def _output(adapter, unet, layer, x):
    with adapter.applied(unet):
        return layer(x)


def test_gradients_reach_the_adapter_alone(unet, inputs):
    adapter = Adapter.fresh(unet, 2, torch.Generator())
    applied(adapter, unet, inputs).square().sum().backward()
    assert all(p.grad is None for p in unet.parameters())
    assert any(p.grad.abs().max() > 0 for p in adapter.parameters() if p.grad is not None)


def test_other_threads_compute_without_the_changes(unet, inputs):
    plain, elsewhere = unet(*inputs), []
    with random(unet, 1).applied(unet):
        thread = Thread(target=lambda: elsewhere.append(unet(*inputs)))
        thread.start()
        thread.join()
        assert not torch.equal(unet(*inputs), plain)
    assert torch.equal(elsewhere[0], plain)


def test_an_adapter_that_does_not_fit_leaves_no_hook(unet, inputs):
    plain, tensors = unet(*inputs), random(unet, 1).tensors()
    del tensors[max(tensors)]
    with pytest.raises(AttributeError), Adapter(tensors).applied(unet):
        pass
    assert torch.equal(unet(*inputs), plain)


def test_a_copy_moves_alone(unet):
    adapter = random(unet, 1)
    adapter.copy().to("meta")
    assert not any(tensor.is_meta for tensor in adapter.tensors().values())


def test_a_merged_network_computes_the_changes(unet, inputs):
    adapter = random(unet, 0)
    before = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    torch.testing.assert_close(adapter.merged(unet)(*inputs), applied(adapter, unet, inputs))
    assert all(torch.equal(tensor, before[name]) for name, tensor in unet.state_dict().items())


def test_what_is_merged_while_another_adapter_is_applied_has_nothing_of_it(unet, inputs):
    adapter, other = random(unet, 0), random(unet, 1)
    with other.applied(unet):
        merged, changed = adapter.merged(unet), unet(*inputs)
    assert torch.equal(changed, applied(other, unet, inputs))
    torch.testing.assert_close(merged(*inputs), applied(adapter, unet, inputs))
