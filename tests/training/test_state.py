from types import SimpleNamespace

import pytest
import torch

from msdae.training.state import EMA, Learner


def test_ema_warms_up_and_is_swapped_in_and_out():
    layer = torch.nn.Linear(1, 1, bias=False)
    ema = EMA(layer, 0.9)
    start = layer.weight.item()
    with torch.no_grad():
        layer.weight += 1
    ema.update(0)  # decay (1 + 0) / (10 + 0)
    with ema.swapped_in():
        assert layer.weight.item() == pytest.approx(start + 0.9, abs=1e-6)
    assert layer.weight.item() == pytest.approx(start + 1, abs=1e-6)


def test_a_parameter_that_no_loss_has_reached_is_continued():
    """Regression: such a state was called damaged, so that the training began anew."""

    def fresh():
        torch.manual_seed(0)
        network = torch.nn.ModuleDict({name: torch.nn.Linear(2, 1) for name in ("used", "spare")})
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
        return Learner(network, SimpleNamespace(optimizer=optimizer), 0.9)

    def step(learner, name, x):
        learner.network[name](torch.tensor([x])).square().mean().backward()
        learner.optimizer.optimizer.step()
        learner.optimizer.optimizer.zero_grad()

    whole, stopped, continued = fresh(), fresh(), fresh()
    for learner in (whole, stopped):
        step(learner, "used", [1.0, 2.0])
    tensors = stopped.tensors()
    continued.check(tensors)
    continued.restore(tensors)
    for learner in (whole, continued):
        step(learner, "spare", [1.0, 2.0])
        step(learner, "spare", [3.0, -1.0])
    weights = continued.network.state_dict()
    assert all(torch.equal(weights[name], x) for name, x in whole.network.state_dict().items())
