from dataclasses import dataclass
from typing import Annotated

import pytest

from msdae import limits
from msdae.errors import UserError
from msdae.limits import Choice, Range, Size


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


@dataclass(frozen=True)
class Recipe:
    oven: Annotated[str, Choice(("gas", "wood"))] = "gas"
    share: Annotated[float, limits.FRACTION] = 0.5
    layers: Annotated[tuple[Annotated[int, Range(1, 9)], ...], Size(1, 3)] = (1,)
    size: tuple[Annotated[int, Range(1, 50)], Annotated[int, Range(0, 2)]] = (20, 1)
    guests: Annotated[int | None, Range(1, 12)] = None

    def __post_init__(self):
        limits.check(self)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"oven": "sun"}, "oven: is sun, expected one of gas, wood"),
        ({"oven": None}, "oven: is None"),
        ({"share": 1.0}, "share: is 1.0, expected 0 or more, below 1"),
        ({"layers": ()}, r"layers: is \(\), expected 1 to 3 entries"),
        ({"layers": (1, 1, 1, 1)}, "expected 1 to 3 entries"),
        ({"layers": (10,)}, "layers: is 10, expected 1 to 9"),
        ({"size": (20, 20)}, "size: is 20, expected 0 to 2"),
        ({"size": (20,)}, "size: is "),
        ({"size": 20}, "size: is 20"),
        ({"guests": 1.5}, "guests: is 1.5, expected a whole number"),
        ({"guests": [1]}, r"guests: is \[1\], expected 1 to 12"),
        ({"guests": 0}, "guests: is 0, expected 1 to 12"),
        ({"layers": 3}, "layers: is 3, expected 1 to 3 entries"),
    ],
)
def test_names_sizes_and_each_entry_are_checked(values, said):
    with pytest.raises(UserError, match=said):
        Recipe(**values)
