"""Clips of visitors: what they are called."""

import pytest

from msdae.app import clips


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("  a \n b ", "a b"),
        ("Take 1 / 2", "Take 1 / 2"),
        ("AC//DC", "AC//DC"),
        (" \n", "Untitled"),
        (None, "Untitled"),
        ("a\0b", "a\\x00b"),
        ("x" * 100, "x" * clips.NAME),
    ],
)
def test_a_name_is_shown_as_it_was_given(name, shown):
    """Regression: a blank name was shown as a dot."""
    assert clips.title(name) == shown
