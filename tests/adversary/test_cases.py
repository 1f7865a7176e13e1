"""Every case of `cases`: a line of error or a result; never a traceback, a lost input or a part of a file."""

import os
import zlib

import pytest
from cases import ALL
from harness import check

WHOLE = os.environ.get("MSDAE_ADVERSARY") == "whole"
PARTS = 3  # of the cases one part is tried, unless all are
CASES = [
    case for case in ALL if WHOLE or zlib.crc32(case.line.encode("utf-8", "surrogateescape")) % PARTS == 0
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case, place, capsys, record_property):
    record_property("inputs", 1)
    check(case, place, capsys)


def test_there_are_many_cases():
    assert len(ALL) >= 700 and sum(case.says == "" for case in ALL) >= 60
