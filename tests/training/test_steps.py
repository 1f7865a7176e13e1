import itertools
from dataclasses import dataclass

import pytest
import torch

from msdae.errors import UserError
from msdae.training import steps


@dataclass(frozen=True)
class Numbers:
    value: torch.Tensor
    view: torch.Tensor
    names: list[str]


def numbers(start):
    while True:
        value = torch.arange(start, start + 4)
        yield Numbers(value, value, [f"{number}" for number in value.tolist()])
        start += 1


def test_batches_are_cut_and_moved_field_by_field():
    batch = next(numbers(3))
    part = steps.part(batch, slice(1, 3))
    assert part.value.tolist() == [4, 5] and part.names == ["4", "5"] and steps.size(part) == 2
    moved = steps.to(batch, torch.device("meta"))
    assert moved.value.device.type == "meta" and moved.value is moved.view  # shared, so moved once
    assert moved.names is batch.names


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_reading_keeps_the_order_of_steps_whoever_reads(workers):
    batches = steps.read(numbers, 5, workers, pinned=False)
    assert [next(batches).names[0] for _ in range(8)] == [str(step) for step in range(5, 13)]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_bad_input_keeps_its_message_whoever_reads(workers):
    """Regression: from a worker process it came as several lines with the worker's traceback."""

    def batches(start):
        yield from itertools.islice(numbers(start), max(0, 7 - start))
        raise UserError("shard.tar: damaged")

    items = steps.read(batches, 5, workers, pinned=False)
    assert [next(items).names[0] for _ in range(2)] == ["5", "6"]
    with pytest.raises(UserError, match=r"^shard.tar: damaged$"):
        next(items)
