from pathlib import Path

import pytest

from msdae.data.tally import Tally
from msdae.errors import UserError

PATH = Path("a/b.wav")


def _error(path=PATH):
    return UserError(f"{path}: was cut short (its header promises 10); copy it again")


def test_rejections_are_counted_by_reason_with_an_example():
    tally = Tally()
    tally.total = 3
    tally.accepted = 1
    tally.reject(PATH, _error())
    tally.reject(Path("c.wav"), _error("c.wav"))
    assert tally.rejected == {"was cut short": 2}
    assert tally.lines("files") == [
        "3 files found, 1 accepted",
        f"  2 rejected: was cut short (first: {_error()})",
    ]


def test_strict_stops_on_a_rejection_and_not_on_what_is_left_out():
    tally = Tally(strict=True)
    tally.leave_out("drums")
    with pytest.raises(UserError, match="was cut short"):
        tally.reject(PATH, _error())


def test_merged_reports_add_up():
    one, two = Tally(), Tally()
    for tally in (one, two):
        tally.total, tally.accepted = 5, 3
        tally.reject(PATH, _error())
        tally.leave_out("drums")
    one.merge(two.counts())
    assert (one.total, one.accepted) == (10, 6)
    assert one.rejected == {"was cut short": 2}
    assert one.left_out == {"drums": 2}
