"""What a model costs: parameters, FLOPs and memory, counted on tensors without data."""

import copy
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from msdae.data import Batch
from msdae.models.autoencoder import Autoencoder
from msdae.training.steps import Draws

FLOAT = 4  # bytes


def summarize(model: Autoencoder, batch: int, frames: int) -> dict[str, Any]:
    """Costs of one training step of the model's stage, in single precision.

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

    counter = FlopCounterMode(display=False)
    with counter, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        clips, draws = noise(model, batch, frames, torch.device("meta"))
        ghost.train().losses(clips, draws)["denoising"].mean().backward()
    weights = {p.untyped_storage()._cdata for p in ghost.parameters()}
    activations = sum(storage.nbytes() for key, storage in kept.items() if key not in weights)
    total = sum(parts.values())
    return {
        "parameters": {**parts, "total": total},
        "trainable": trainable,
        "flops": counter.get_total_flops(),
        "memory": {"weights": FLOAT * (2 * total + 3 * trainable), "activations": activations},
    }


def noise(model: Autoencoder, batch: int, frames: int, device: torch.device) -> tuple[Batch, Draws]:
    """Random clips of `frames` latent frames for the model, and the draws of a training step of them."""
    codec, mel = model.config.codec, model.config.mel
    z = torch.randn(batch, codec.channels, frames, device=device)
    x3 = torch.rand(batch, mel.bands, frames * codec.hop // mel.hop, device=device)
    sound = torch.arange(batch, device=device)
    pitches = torch.full((batch, frames), -1, device=device)
    clips = Batch(z, x3, x3, x3, sound, sound, pitches, [""] * batch, list(range(batch)))
    return clips, Draws((0,), batch, device=device)


def _count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
