"""Files changed at random: each is read, or refused in a line, soon and in little memory (`mutations`)."""

import os

import pytest
from mutations import KINDS, failures

WHOLE = os.environ.get("MSDAE_ADVERSARY") == "whole"
TOTAL = 20_000 if WHOLE else 440
GROUPS = [[kind] for kind in KINDS] if WHOLE else [list(KINDS)]  # a process each


@pytest.mark.parametrize("kinds", GROUPS, ids=lambda kinds: kinds[0] if len(kinds) == 1 else "all")
def test_mutations(kinds, record_property):
    count = -(-TOTAL // len(KINDS))
    read, reasons = failures(0, count, kinds)
    record_property("mutated", read)
    assert not reasons, "\n".join([f"{len(reasons)} of {read}", *reasons[:40]])
    assert read == count * len(kinds)
