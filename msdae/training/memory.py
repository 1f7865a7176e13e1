"""How much memory a training will take, measured on a few clips before it begins."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from msdae.data.draws import Draws
from msdae.training import steps
from msdae.training.task import Losses, Task

EXAMPLE = 4  # clips that are measured
AHEAD = 3  # batches in memory at once: one in use, one that is ready, one that is being read
PEAK = 1.5  # about how many times as much a step takes as it keeps for the backward pass
WEIGHTS = 5  # copies of a weight that is trained: itself, its gradient, two moments and an average


def needed(task: Task, share: int, part: int) -> int:
    """About how many bytes training takes in this process, in single precision; 0 if it cannot be measured.

    The networks of the task have to be plain modules on the CPU.

    share: how many clips of a batch this process has. part: how many of them go through the networks at once.
    """
    batch = task.example(EXAMPLE)
    if batch is None:
        return 0
    parameters = [p for network in task.modules().values() for p in network.parameters()]
    weights = sum(p.nbytes * (WEIGHTS if p.requires_grad else 1) for p in parameters)
    clips = steps.size(batch)
    few = max(1, clips // 2)
    more, less = _kept(task, batch), _kept(task, task.example(few))
    # where clips are compared with each other, what is kept for a clip grows linearly with their number
    growth = max(0, more / clips - less / few) / max(1, clips - few)
    kept = part * (more / clips + growth * (part - clips))
    return round(weights + PEAK * kept + AHEAD * share * _bytes(batch) / clips)


def _kept(task: Task, batch: Any) -> int:
    """Bytes that the losses of a batch keep for the backward pass, for the network that keeps most."""
    networks = task.modules().values()
    trained = {p: p.requires_grad for network in networks for p in network.parameters()}
    modes = [(module, module.training) for network in networks for module in network.modules()]
    for network in networks:
        network.eval()  # nothing is drawn or counted
    compiled = any(module._compiled_call_impl for module, _ in modes)
    try:
        with torch.compiler.set_stance("force_eager") if compiled else nullcontext():
            return max(_kept_by(losses, batch, trained) for losses in task.turns().values())
    finally:
        for parameter, value in trained.items():
            parameter.requires_grad_(value)
        for module, training in modes:
            module.training = training


def _kept_by(losses: Callable[[Any, Draws], Losses], batch: Any, weights: Iterable[torch.Tensor]) -> int:
    with torch.enable_grad(), kept_storages() as storages:
        terms = losses(batch, Draws((0,), steps.size(batch)))
        kept = activations(storages, weights)
    del terms
    return kept


@contextmanager
def kept_storages() -> Iterator[dict[int, torch.UntypedStorage]]:
    """What operations inside the block keep for the backward pass, weights included, by identity."""
    storages: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        storages[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield storages


def activations(storages: Mapping[int, torch.UntypedStorage], weights: Iterable[torch.Tensor]) -> int:
    """Bytes of `storages` that are not those of `weights`."""
    known = {weight.untyped_storage()._cdata for weight in weights}
    return sum(storage.nbytes() for key, storage in storages.items() if key not in known)


def _bytes(batch: Any) -> int:
    """Bytes of the tensors of a batch."""
    fields = {id(value): value for value in vars(batch).values() if torch.is_tensor(value)}
    return sum(tensor.nbytes for tensor in fields.values())
