from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from msdae.errors import UserError
from msdae.nn.device import device, one_thread, workers


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


def test_one_thread_computes_inside_and_as_many_as_before_afterwards():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread() as outside:
            assert (outside, torch.get_num_threads()) == (2, 1)
        with workers() as pool:
            assert torch.get_num_threads() == pool.submit(torch.get_num_threads).result() == 1
            assert pool._max_workers == 2
        with pytest.raises(ZeroDivisionError), one_thread():
            1 / 0  # noqa: B018
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
