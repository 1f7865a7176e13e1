"""Every case of `cases`: one line of error, or a result; never a traceback, a lost input or a part of a file."""

import pytest
from cases import ALL
from harness import check


@pytest.mark.parametrize("case", ALL, ids=str)
def test_case(case, place, capsys):
    check(case, place, capsys)
