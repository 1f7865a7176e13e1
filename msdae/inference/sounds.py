"""Sounds that a model has learnt: each stands where a timbre source stands, and is a small file."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from msdae import checkpoint
from msdae.errors import UserError
from msdae.inference.codes import FACTS, Codes
from msdae.limits import SHARE
from msdae.models.adapter import Adapter
from msdae.models.autoencoder import Autoencoder

KIND = "sound"
_CODE, _ADAPTER = "code.", "adapter."  # beginnings of the names of tensors
_FIX = "learn the sound again"


@dataclass(frozen=True, eq=False)
class LearntSound:
    """What a model has learnt of a sound.

    Attributes:
        codes: its code of the pooled level, and the adapter of the denoiser.
        names: of the recordings that it was learnt from. seconds: of them.
        steps: of learning.
        held_out: EDM's loss on held-out excerpts, before and after learning; empty where there were none.
    """

    codes: Codes
    names: tuple[str, ...] = ()
    seconds: float = 0.0
    steps: int = 0
    held_out: tuple[float, ...] = ()

    def blend(self, other: "LearntSound", strength: float) -> "LearntSound":
        """The sound on the way from this one (strength 0) to `other` (1), of the same model.

        Raises:
            UserError: sounds of two models, a strength outside 0 to 1.
        """
        SHARE.check(strength, "strength")
        if self.codes.model != other.codes.model:
            raise UserError("sounds of two models have nothing between them; learn both with one model")
        levels = {
            level: Autoencoder.mix([code], [other.codes[level]], [strength])[0]
            for level, code in self.codes.levels.items()
        }
        adapter = blended(self.codes.adapter, other.codes.adapter, strength)
        codes = dataclasses.replace(self.codes, levels=levels, adapter=adapter)
        names = tuple(dict.fromkeys([*self.names, *other.names]))
        return LearntSound(codes, names, self.seconds + other.seconds, max(self.steps, other.steps))

    def save(self, path: str | Path) -> None:
        """Write the sound to a safetensors file in half precision, atomically."""
        tensors = {f"{_CODE}{level}": code for level, code in self.codes.levels.items()}
        tensors |= {f"{_ADAPTER}{name}": value for name, value in self.codes.adapter.tensors().items()}
        header = {
            "codes": {name: getattr(self.codes, name) for name in FACTS},
            **{field.name: getattr(self, field.name) for field in dataclasses.fields(self)[1:]},
        }
        checkpoint.save(path, KIND, {name: tensor.half() for name, tensor in tensors.items()}, header)

    @classmethod
    def load(cls, path: str | Path) -> "LearntSound":
        """The sound in a file that `save` wrote; a pipeline of another model refuses it.

        Raises:
            UserError: no such file, a truncated or foreign one.
        """
        tensors, header = checkpoint.load(path, KIND)
        levels = {int(level): code for level, code in _below(_CODE, tensors).items()}
        adapter = Adapter(_below(_ADAPTER, tensors))
        facts = header["names"], header["seconds"], header["steps"], header["held_out"]
        codes = Codes(levels, **header["codes"], adapter=adapter)
        return cls(codes, tuple(facts[0]), facts[1], facts[2], tuple(facts[3]))


def blended(first: Adapter | None, second: Adapter | None, strength: float) -> Adapter | None:
    """The adapter on the way from `first` (strength 0) to `second` (1); None changes nothing."""
    parts = [
        (adapter, weight)
        for adapter, weight in ((first, 1 - strength), (second, strength))
        if adapter is not None and weight
    ]
    if len(parts) == 1 and parts[0][1] == 1:
        return parts[0][0]
    return Adapter.sum(*zip(*parts, strict=True)) if parts else None


def _below(prefix: str, tensors: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): value.float() for name, value in tensors.items() if name.startswith(prefix)
    }
