import pytest
import torch

from msdae.training.state import EMA


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
