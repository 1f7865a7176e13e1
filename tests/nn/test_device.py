from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from msdae.errors import UserError
from msdae.nn.device import device


@pytest.mark.parametrize("name", ["", "x", "meta", "cpu:a", "cuda:99", "hpu", "x" * 300])
def test_a_device_that_cannot_be_used_is_named(name):
    with pytest.raises(UserError, match="^--device .*: not usable here .*; use --device auto$") as raised:
        device(name)
    assert len(str(raised.value)) < 300


def test_auto_is_usable():
    device("auto")


def test_denormals_are_zero_here_and_in_later_threads():
    torch.set_flush_denormal(False)
    denormal = torch.full((64,), 2.0**-140)
    assert (denormal * 1).all()
    device("cpu")
    with ThreadPoolExecutor(1) as pool:
        assert not (denormal * 1).any() and not pool.submit(lambda: (denormal * 1).any()).result()
