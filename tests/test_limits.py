from dataclasses import dataclass
from typing import Annotated

import pytest

from msdae import limits
from msdae.errors import UserError
from msdae.limits import Range


@dataclass(frozen=True)
class Cooking:
    minutes: Annotated[int, Range(1, 90, reason="more burns it")] = 10
    heat: tuple[Annotated[float, Range(0, above=True)], ...] = (1.0,)
    salt: Annotated[float, Range(0, 1)] | None = None

    def __post_init__(self):
        limits.check(self)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"minutes": 0}, r"minutes: is 0, expected 1 to 90 \(more burns it\)"),
        ({"minutes": 10**400}, "minutes: is 1000"),
        ({"heat": (1.0, 0.0)}, "heat: is 0.0, expected above 0"),
        ({"heat": (float("inf"),)}, "heat: is inf"),
        ({"salt": float("nan")}, "salt: is nan, expected 0 to 1"),
        ({"salt": "much"}, "salt: is much"),
    ],
)
def test_values_outside_their_range_are_named(values, said):
    with pytest.raises(UserError, match=said):
        Cooking(**values)


def test_values_inside():
    Cooking(90, (1e-9, 5), 0)


def test_memory_is_refused_before_it_is_taken():
    assert limits.available_memory() > 0
    limits.require_memory(1, "a byte")
    with pytest.raises(UserError, match="steps: needs about 1,000 TB, .* GB are free; take fewer"):
        limits.require_memory(1e15, "steps", "take fewer")
