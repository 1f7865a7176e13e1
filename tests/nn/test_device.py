import pytest

from msdae.errors import UserError
from msdae.nn.device import device


@pytest.mark.parametrize("name", ["", "x", "meta", "cpu:a", "cuda:99", "x" * 300])
def test_a_device_that_cannot_be_used_is_named(name):
    with pytest.raises(UserError, match="^--device .*: not usable here .*; use --device auto$") as raised:
        device(name)
    assert len(str(raised.value)) < 300


def test_auto_is_usable():
    device("auto")
