"""What a model costs: parameters, FLOPs and memory, counted on tensors without data."""

import copy
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

FLOAT = 4  # bytes


def summarize(model: torch.nn.Module, batch: int, frames: int) -> dict[str, Any]:
    """Costs of one training step of the model's own stage, in single precision.

    Returns:
        parameters: by part and in total; trainable: those that the stage trains.
        flops: of the step, forward and backward (a multiplication and an addition count as two).
        memory: bytes of weights with gradients, Adam's two moments and the EMA, and of the
            activations that are kept for the backward pass.
    """
    parts = {name: _count(module) for name, module in model.named_children()}
    ghost = copy.deepcopy(model).to("meta")
    trainable = sum(parameter.numel() for parameter in ghost.freeze())
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage
        return tensor

    codec, mel = model.config.codec, model.config.mel
    z = torch.empty(batch, codec.channels, frames, device="meta")
    x3 = torch.empty(batch, mel.bands, frames * codec.hop // mel.hop, device="meta")
    drop = torch.empty(batch, model.stage, dtype=torch.bool, device="meta")
    counter = FlopCounterMode(display=False)
    with counter, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss, *_ = ghost(z, x3, torch.empty(batch, device="meta"), torch.empty_like(z), drop)
        loss.mean().backward()
    weights = {p.untyped_storage()._cdata for p in ghost.parameters()}
    activations = sum(storage.nbytes() for key, storage in kept.items() if key not in weights)
    total = sum(parts.values())
    return {
        "parameters": {**parts, "total": total},
        "trainable": trainable,
        "flops": counter.get_total_flops(),
        "memory": {"weights": FLOAT * (2 * total + 3 * trainable), "activations": activations},
    }


def _count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
