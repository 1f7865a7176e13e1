"""What a training keeps: averaged weights, and the file from which it continues bit for bit."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from msdae import checkpoint
from msdae.errors import UserError
from msdae.files import reading

KIND, FILE = "training state", "state.safetensors"
FIX = "delete it, and the stage starts anew"
NOT_IN_ALL = ("clips", "from", "kind")  # must be the same too, but older states lack them and are continued
FULL = StateDictOptions(full_state_dict=True, cpu_offload=True)
_FULL_IN_PLACE = StateDictOptions(full_state_dict=True)
Tensors = dict[str, torch.Tensor]


class EMA:
    """Exponential moving average of a network's trainable parameters, with warm-up of the decay."""

    def __init__(self, network: nn.Module, decay: float):
        self.decay = decay
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.averages = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After optimizer step number `step`, from 0: early on, follow closely."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.averages, [p.detach() for p in self.parameters], 1 - decay)

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """The network has the averages inside the block and its parameters again after it."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the network's parameters and the averages."""
        for parameter, average in zip(self.parameters, self.averages, strict=True):
            values = parameter.detach().clone()
            parameter.copy_(average)
            average.copy_(values)


class Learner:
    """A network with what it is trained by: its optimizer and the average of its weights.

    network: as Accelerate prepared it.
    """

    def __init__(self, network: nn.Module, optimizer: Any, decay: float):
        self.network, self.optimizer, self.ema = network, optimizer, EMA(network, decay)

    def averaged(self) -> Tensors:
        """The network's state with the averaged weights, copied; every process has to call it."""
        with self.ema.swapped_in():
            return {key: value.clone() for key, value in full(self.network).items()}

    def tensors(self) -> Tensors:
        """Weights, averages and the optimizer's moments; every process has to call it."""
        optimizer = get_optimizer_state_dict(self.network, self.optimizer.optimizer, options=FULL)
        tensors = {f"model.{key}": value for key, value in full(self.network).items()}
        tensors |= {f"ema.{key}": value for key, value in self.averaged().items()}
        for parameter, values in optimizer.get("state", {}).items():
            tensors |= {f"optimizer.{name}.{parameter}": value for name, value in values.items()}
        return tensors

    def check(self, tensors: Tensors) -> None:
        """Raise a ValueError unless names and shapes of `tensors` are those of this network."""
        state = self.network.state_dict().items()
        shapes = {name.removeprefix("module."): tuple(tensor.shape) for name, tensor in state}
        for kind in ("model.", "ema."):
            if shapes != {name: tuple(tensor.shape) for name, tensor in below(kind, tensors).items()}:
                raise ValueError("its weights are not those of this network")
        moments = below("optimizer.exp_avg.", tensors).items()
        if not moments or any(shapes.get(name) != tuple(tensor.shape) for name, tensor in moments):
            raise ValueError("its moments are not those of this network")

    def restore(self, tensors: Tensors) -> None:
        """The inverse of `tensors`."""
        # the fused Adam walks through memory: moments need the layout of the weights, which a file loses
        weights = {name.removeprefix("module."): p for name, p in self.network.named_parameters()}
        moments: dict[str, Tensors] = {}
        for key, value in below("optimizer.", tensors).items():
            name, parameter = key.split(".", 1)
            if value.ndim == 4 and not weights[parameter].is_contiguous():
                value = value.contiguous(memory_format=torch.channels_last)
            moments.setdefault(parameter, {})[name] = value
        set_model_state_dict(self.network, below("ema.", tensors), options=FULL)
        self.ema.averages = [p.detach().clone() for p in self.ema.parameters]
        set_model_state_dict(self.network, below("model.", tensors), options=FULL)
        optimizer = self.optimizer.optimizer
        fresh = get_optimizer_state_dict(self.network, optimizer, options=_FULL_IN_PLACE)
        for parameter in fresh["state"].keys() - moments.keys():  # no loss has reached it yet
            moments[parameter] = {name: torch.zeros_like(x) for name, x in fresh["state"][parameter].items()}
        set_optimizer_state_dict(self.network, optimizer, {**fresh, "state": moments}, options=_FULL_IN_PLACE)


def full(network: nn.Module) -> Tensors:
    """The state of a network that may be sharded; every process has to call it, the main one gets all."""
    return get_model_state_dict(network, options=FULL)


def save(path: Path, learners: Mapping[str, Learner], header: dict[str, Any], main: bool) -> None:
    """Write the state of all networks; every process has to call it, the `main` one writes."""
    tensors: Tensors = {}
    for name, learner in learners.items():
        tensors |= {f"{name}.{key}": value for key, value in learner.tensors().items()}
    if main:
        checkpoint.save(path, KIND, tensors, header)


def load(path: Path, learners: Mapping[str, Learner], same: Mapping[str, Any]) -> dict[str, Any]:
    """Continue from the file `path`; returns its header.

    same: what has to be as it was, by name; anything else would start another run, not continue this one.

    Raises:
        UserError: something of `same` differs, an older msdae wrote the file, or its tensors do not fit.
    """
    header = checkpoint.read_header(path, KIND, {"step": int})
    if not isinstance(header.get("same"), dict) or header["step"] < 0:
        raise UserError(
            f"{path}: saved by an older msdae, whose unfinished runs cannot be continued; "
            "delete it or choose another folder with --run"
        )
    known = {**{key: same.get(key) for key in NOT_IN_ALL}, **header["same"]}
    for key in [*same, *known]:
        if known.get(key) != same.get(key):
            raise UserError(
                f"{path}: saved with another '{key}' than this run has; "
                "continue with the same settings, or choose another folder with --run"
            )
    tensors, _ = checkpoint.load(path, KIND)
    with reading(path, FIX):
        for name, learner in learners.items():
            learner.check(below(f"{name}.", tensors))
            learner.restore(below(f"{name}.", tensors))
    return header


def below(prefix: str, tensors: Mapping[str, torch.Tensor]) -> Tensors:
    """The tensors whose names begin with `prefix`, without it."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
