"""What a training says it will take, before it takes it."""

import dataclasses

import torch
import torch.nn as nn

from msdae.training import memory
from msdae.training.task import Task


@dataclasses.dataclass
class Clips:
    x: torch.Tensor
    names: list[str]


class Squares(Task):
    """A layer whose input is kept, 4 000 bytes a clip, and a table of every clip with every other."""

    name, stage = "squares", 1

    def __init__(self, table: bool = False):
        self.networks, self.table = (
            {"layer": nn.Sequential(nn.Linear(1000, 1, bias=False), nn.Dropout())},
            table,
        )

    def modules(self):
        return self.networks

    def example(self, clips):
        return Clips(torch.randn(clips, 1000), [""] * clips)

    def losses(self, batch, draws):
        assert not self.networks["layer"].training
        y = self.networks["layer"](batch.x)
        return {"loss": (y @ y.T).exp().mean(dim=1) if self.table else y.square()[:, 0]}


def test_it_grows_with_the_clips():
    task = Squares()
    few, many = memory.needed(task, 10, 10), memory.needed(task, 1000, 1000)
    assert many > 1000 * 4000 * (memory.PEAK + memory.AHEAD) > many / 1.1
    assert few > memory.WEIGHTS * 4000
    assert memory.needed(task, 1000, 100) < many  # by parts
    assert task.networks["layer"].training and all(
        p.requires_grad for p in task.networks["layer"].parameters()
    )


def test_what_compares_all_with_all_grows_faster():
    size = memory.needed(Squares(table=True), 10_000, 10_000)
    assert 10_000**2 * 4 < size < 10 * 10_000**2 * 4


def test_a_task_without_an_example_is_not_measured():
    task = Squares()
    task.example = lambda clips: None
    assert memory.needed(task, 10, 10) == 0
