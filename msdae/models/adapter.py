"""The small trainable part of a learnt sound: low-rank changes to the layers of a denoiser.

Source: Hu et al. 2021, "LoRA: low-rank adaptation of large language models".
"""

import copy
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
import torch.nn as nn
import torch.nn.functional as F

PARTS = ("down", "up", "bias")
Tensors = dict[str, torch.Tensor]


class Adapter(nn.Module):
    """A change to a network: up(down(x)) + bias is added to the output of each 1D conv and each linear layer.

    `down` is a layer of the same kind with `rank` outputs; `up` has a kernel of 1, reads these and starts at
    zero. The network itself is never changed (see `applied`).

    Args:
        tensors: {"LAYER.down": (rank, ...), "LAYER.up": (outputs, rank), "LAYER.bias": (outputs,)}.
    """

    def __init__(self, tensors: Tensors):
        super().__init__()
        # a ParameterDict takes no dots in its keys
        self.weights = nn.ParameterDict({name.replace(".", "/"): value for name, value in tensors.items()})

    @staticmethod
    def fresh(network: nn.Module, rank: int, generator: torch.Generator) -> "Adapter":
        """An adapter of `network` that changes nothing yet; layers of fewer features get a lower rank."""
        tensors: Tensors = {}
        for name, layer in _layers(network).items():
            weight, outputs = layer.weight, len(layer.weight)
            features = min(rank, outputs, weight[0].numel())
            down = torch.empty(features, *weight.shape[1:])
            nn.init.kaiming_uniform_(down, a=math.sqrt(5), generator=generator)
            tensors[f"{name}.down"] = down
            tensors[f"{name}.up"] = torch.zeros(outputs, features)
            tensors[f"{name}.bias"] = torch.zeros(outputs)
        return Adapter(tensors).to(next(network.parameters()).device)

    @staticmethod
    def sum(adapters: Sequence["Adapter"], weights: Sequence[float]) -> "Adapter":
        """The adapter whose changes are those of `adapters`, each times its weight; their ranks add up."""
        parts = [(adapter.tensors(), weight) for adapter, weight in zip(adapters, weights, strict=True)]
        tensors: Tensors = {}
        for name in parts[0][0]:
            if name.endswith(".down"):
                tensors[name] = torch.cat([part[name] for part, _ in parts])
            elif name.endswith(".up"):
                tensors[name] = torch.cat([weight * part[name] for part, weight in parts], dim=1)
            else:
                tensors[name] = sum(weight * part[name] for part, weight in parts)
        return Adapter(tensors)

    def copy(self) -> "Adapter":
        """An adapter of the same weights, which may be moved to another device."""
        return Adapter(self.tensors())

    def tensors(self) -> Tensors:
        """The tensors by their names, as `__init__` takes them."""
        return {name.replace("/", "."): value.detach() for name, value in self.weights.items()}

    def fits(self, network: nn.Module) -> bool:
        """Whether the tensors are those of an adapter of `network`, of whatever rank."""
        expected: dict[str, tuple[int, ...]] = {}
        tensors = self.tensors()
        for name, layer in _layers(network).items():
            rank = len(tensors.get(f"{name}.down", ()))
            expected[f"{name}.down"] = (rank, *layer.weight.shape[1:])
            expected[f"{name}.up"] = (len(layer.weight), rank)
            expected[f"{name}.bias"] = (len(layer.weight),)
        return {name: tuple(value.shape) for name, value in tensors.items()} == expected

    @torch.no_grad()
    def merged(self, network: nn.Module) -> nn.Module:
        """A copy of `network` whose own weights have the changes: as fast as the network alone."""
        merged = copy.deepcopy(network)
        for name, layer in _layers(merged).items():
            layer._forward_hooks.clear()  # copies of hooks that another thread's `applied` has on `network`
            down, up, bias = (self.weights[f"{name.replace('.', '/')}/{part}"] for part in PARTS)
            layer.weight += torch.einsum("or,r...->o...", up, down)
            layer.bias += bias
        return merged

    @contextmanager
    def applied(self, network: nn.Module) -> Iterator[None]:
        """Inside the block, `network` computes with the changes, on this thread alone; its own weights stay
        as they are."""
        with ExitStack() as handles:
            for name, layer in _layers(network).items():
                handles.enter_context(layer.register_forward_hook(self._hook(name.replace(".", "/"))))
            yield

    def _hook(self, name: str) -> Callable[[nn.Module, tuple[torch.Tensor], torch.Tensor], torch.Tensor]:
        down, up, bias = (self.weights[f"{name}/{part}"] for part in PARTS)
        thread = threading.get_ident()

        def add(layer: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> torch.Tensor:
            if threading.get_ident() != thread:
                return output
            (x,) = inputs
            if isinstance(layer, nn.Linear):
                return output + F.linear(F.linear(x, down), up, bias)
            x = F.conv1d(x, down, None, layer.stride, layer.padding, layer.dilation)
            return output + F.conv1d(x, up[..., None], bias)

        return add


def _layers(network: nn.Module) -> dict[str, nn.Module]:
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, (nn.Conv1d, nn.Linear)) and module.weight.numel()
    }
