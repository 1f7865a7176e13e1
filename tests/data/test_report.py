from pathlib import Path

import pytest

from msdae.data.report import Report
from msdae.errors import UserError

PATH = Path("a/b.wav")


def _error(path=PATH):
    return UserError(f"{path}: was cut short (its header promises 10); copy it again")


def test_rejections_are_counted_by_reason_with_an_example():
    report = Report()
    report.found = 3
    report.accepted = 1
    report.reject(PATH, _error())
    report.reject(Path("c.wav"), _error("c.wav"))
    assert report.rejected == {"was cut short": 2}
    assert report.lines("files") == [
        "3 files found, 1 accepted",
        f"  2 rejected: was cut short (first: {_error()})",
    ]


def test_strict_stops_on_a_rejection_and_not_on_what_is_left_out():
    report = Report(strict=True)
    report.leave_out("drums")
    with pytest.raises(UserError, match="was cut short"):
        report.reject(PATH, _error())


def test_merged_reports_add_up():
    one, two = Report(), Report()
    for report in (one, two):
        report.found, report.accepted = 5, 3
        report.reject(PATH, _error())
        report.leave_out("drums")
    one.merge(two.counts())
    assert (one.found, one.accepted) == (10, 6)
    assert one.rejected == {"was cut short": 2}
    assert one.left_out == {"drums": 2}
