"""What a training step is made of: its random numbers, and a batch that is read, moved and cut.

A batch is a dataclass whose fields are tensors or lists over clips; the field `names` says which clips.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from msdae import checkpoint
from msdae.errors import UserError

Item = TypeVar("Item")
Batches = Callable[[int], Iterator[Any]]  # from a step on


def mix_seed(values: tuple[int, ...]) -> int:
    """A well-spread 60-bit seed from integers."""
    digest = checkpoint.fingerprint({}, {"seed": list(values)})
    return int(digest[:15], 16)


class Draws:
    """The random numbers of a share of a step's batch, equal however the batch is shared.

    They are drawn for all clips of the global batch, in the order of the calls; the share keeps its places.

    Args:
        seed: any integers, e.g. (seed, stage, step).
        total: clips of the global batch.
        places: those of them that the share has.
        device: where the numbers are used.
    """

    def __init__(
        self,
        seed: tuple[int, ...],
        total: int,
        places: slice = slice(None),
        device: torch.device = torch.device("cpu"),
    ):
        self.seed, self.total, self.places, self.device = seed, total, places, device
        self.generator = torch.Generator().manual_seed(mix_seed(seed))

    def again(self) -> "Draws":
        """The same numbers from the first one on."""
        return Draws(self.seed, self.total, self.places, self.device)

    def normal(self, *shape: int) -> torch.Tensor:
        """(share, *shape), standard normal."""
        return self._share(torch.randn(self.total, *shape, generator=self.generator))

    def uniform(self, *shape: int) -> torch.Tensor:
        """(share, *shape), from 0 to 1."""
        return self._share(torch.rand(self.total, *shape, generator=self.generator))

    def integer(self, below: int) -> int:
        """One number from 0 to `below` - 1 for the global batch."""
        return int(torch.randint(below, (), generator=self.generator))

    def _share(self, numbers: torch.Tensor) -> torch.Tensor:
        return _moved(numbers[self.places], self.device)


def size(batch: Any) -> int:
    """The number of clips of a batch."""
    return len(batch.names)


def part(batch: Any, places: slice) -> Any:
    """Some of the clips of a batch."""
    return _changed(batch, lambda values: values[places])


def to(batch: Any, device: torch.device) -> Any:
    """The batch with its tensors on `device`; from pinned memory the copy does not wait."""
    return _changed(batch, lambda values: _moved(values, device) if torch.is_tensor(values) else values)


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


def _moved(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    if device.type == "cuda" and tensor.device.type == "cpu" and not tensor.is_pinned():
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
