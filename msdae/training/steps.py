"""What a training step is made of: a batch that is read, moved and cut.

A batch is a dataclass whose fields are tensors or lists over clips; the field `names` says which clips.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from msdae.data.draws import moved
from msdae.errors import UserError

Item = TypeVar("Item")
Batches = Callable[[int], Iterator[Any]]  # from a step on


def size(batch: Any) -> int:
    """The number of clips of a batch."""
    return len(batch.names)


def part(batch: Any, places: slice) -> Any:
    """Some of the clips of a batch."""
    return _changed(batch, lambda values: values[places])


def to(batch: Any, device: torch.device) -> Any:
    """The batch with its tensors on `device`; from pinned memory the copy does not wait."""
    return _changed(batch, lambda values: moved(values, device) if torch.is_tensor(values) else values)


def read(batches: Batches, start: int, workers: int, pinned: bool) -> Iterator[Any]:
    """The batches of the steps from `start` on, each read while those before are in use.

    batches: a pure function of the step to start at. workers: processes that read; 0: a thread does.
    pinned: in memory that an accelerator copies from without waiting.
    """
    # a worker gets its batches by memory that processes share, of which containers often have little; where
    # the training step itself runs on the CPU a thread reads as fast and copies nothing
    context = "fork" if workers else None
    loader = DataLoader(_Steps(batches, start), None, num_workers=workers, multiprocessing_context=context)
    items = _raised(loader)
    yield from prefetch(_pinned(batch) for batch in items) if pinned else prefetch(items)


def prefetch(items: Iterable[Item]) -> Iterator[Item]:
    """The same items, each made by a thread while the one before is in use."""
    source = iter(items)
    with ThreadPoolExecutor(1) as reader:
        upcoming = reader.submit(next, source, None)
        while (item := upcoming.result()) is not None:
            upcoming = reader.submit(next, source, None)
            yield item


class _Steps(IterableDataset):
    """The batches of the steps from `start` on; of several workers each has every n-th."""

    def __init__(self, batches: Batches, start: int):
        self.batches, self.start = batches, start

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        first, stride = (self.start, 1) if worker is None else (self.start + worker.id, worker.num_workers)
        try:
            if stride == 1:
                yield from self.batches(first)
            for step in count(first, stride):
                yield next(self.batches(step))
        except UserError as error:
            yield error  # raised in a worker, its message would come with the worker's traceback


def _pinned(batch: Any) -> Any:
    def pinned(values: Any) -> Any:
        return values.pin_memory() if torch.is_tensor(values) and values.device.type == "cpu" else values

    return _changed(batch, pinned)


def _raised(items: Iterable[Item | UserError]) -> Iterator[Item]:
    """The same items; an error among them is raised in its turn."""
    for item in items:
        if isinstance(item, UserError):
            raise item
        yield item


def _changed(batch: Any, change: Callable[[Any], Any]) -> Any:
    """`change` of every field; a tensor that several fields share is changed once and stays shared."""
    changed: dict[int, Any] = {}
    fields = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
    for values in fields.values():
        if id(values) not in changed:
            changed[id(values)] = change(values)
    return dataclasses.replace(batch, **{name: changed[id(values)] for name, values in fields.items()})
