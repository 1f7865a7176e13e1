"""Sounds that a model has learnt: each stands where a timbre source stands, and is a small file."""

from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

import torch

from msdae import checkpoint, files
from msdae.errors import UserError
from msdae.inference.codes import TOKENS, Codes
from msdae.limits import SHARE
from msdae.models.adapter import Adapter
from msdae.models.autoencoder import Autoencoder
from msdae.nn.tokens import Tokens

KIND, CODE, ADAPTER, HEARD = "sound", "code", "adapter.", "heard."  # of files: their kind, names of tensors
FACTS = ("model", "names", "seconds", "steps", "held_out")
FRAMES = 4096  # latents of a sound, at most
FIX = "learn the sound again"


@dataclass(frozen=True, eq=False)
class Heard:
    """What drafts (`inference.drafts`) need of a sound.

    frames: latents (channels, frames) of what can be heard in its recordings, or the beginning of that.
    distance: `drafts.distance` of it from what the model makes of it. weight: of the sound in a blend.
    """

    frames: torch.Tensor
    distance: float
    weight: float = 1.0

    def fits(self, channels: int) -> bool:
        """Whether these are some latents of so many channels, and finite numbers."""
        shape, numbers = self.frames.shape, (self.distance, self.weight)
        right = len(shape) == 2 and shape[0] == channels and 0 < shape[1] <= FRAMES
        return right and all(map(isfinite, numbers))


@dataclass(frozen=True, eq=False)
class LearntSound:
    """What a model has learnt of a sound.

    Attributes:
        code: of level 1, (1, channels, 1).
        adapter: of the model's denoiser.
        model: fingerprint of the model.
        names: of the recordings that the sound was learnt from. seconds: of them.
        steps: of learning.
        held_out: EDM's loss on held-out excerpts, before and after learning; empty where there were none.
        tokens: of level 1, of a model that has them.
        heard: its recordings' own frames, of each sound in a blend; empty where nothing can be heard.
    """

    code: torch.Tensor
    adapter: Adapter
    model: str
    names: tuple[str, ...] = ()
    seconds: float = 0.0
    steps: int = 0
    held_out: tuple[float, ...] = ()
    tokens: Tokens | None = None
    heard: tuple[Heard, ...] = ()

    @property
    def codes(self) -> Codes:
        """The sound as codes of level 1, which fit recordings of any length."""
        return Codes({1: self.code}, 1, 1, 1, 1, self.model, self.adapter, self.tokens)

    def blend(self, other: "LearntSound", strength: float) -> "LearntSound":
        """The sound on the way from this one (strength 0) to `other` (1), of the same model.

        Raises:
            UserError: sounds of two models, a strength outside 0 to 1.
        """
        SHARE.check(strength, "strength")
        if self.model != other.model:
            raise UserError("sounds of two models have nothing between them; learn both with one model")
        (code,) = Autoencoder.mix([self.code], [other.code], [strength])
        adapter = blended(self.adapter, other.adapter, strength)
        names = tuple(dict.fromkeys([*self.names, *other.names]))
        seconds, steps = self.seconds + other.seconds, max(self.steps, other.steps)
        tokens = mixed_tokens(self.tokens, other.tokens, strength)
        shares = (self, 1 - strength), (other, strength)
        heard = tuple(
            replace(part, weight=part.weight * share)
            for sound, share in shares
            if share
            for part in sound.heard
        )
        return LearntSound(code, adapter, self.model, names, seconds, steps, tokens=tokens, heard=heard)

    def save(self, path: str | Path) -> None:
        """Write the sound to a safetensors file in half precision, atomically."""
        tensors = {f"{ADAPTER}{name}": tensor.half() for name, tensor in self.adapter.tensors().items()}
        if self.tokens is not None:
            tensors |= {name: x.half() for name, x in zip(TOKENS, self.tokens, strict=True)}
        tensors |= {f"{HEARD}{number}": part.frames.half() for number, part in enumerate(self.heard)}
        header = {name: getattr(self, name) for name in FACTS}
        header["heard"] = [[part.distance, part.weight] for part in self.heard]
        checkpoint.save(path, KIND, {CODE: self.code.half(), **tensors}, header)

    @classmethod
    def load(cls, path: str | Path) -> "LearntSound":
        """The sound in a file that `save` wrote; a pipeline of another model refuses it.

        Raises:
            UserError: no such file, a truncated, damaged or foreign one.
        """
        tensors, header = checkpoint.load(path, KIND)
        with files.reading(path, FIX):
            facts = {name: tuple(v) if isinstance(v := header[name], list) else v for name in FACTS}
            code = tensors.pop(CODE).float()
            parts = [tensors.pop(name).float() for name in TOKENS] if TOKENS[0] in tensors else None
            heard = tuple(
                Heard(tensors.pop(f"{HEARD}{number}").float(), float(distance), float(weight))
                for number, (distance, weight) in enumerate(header["heard"])
            )
            weights = {name.removeprefix(ADAPTER): tensor.float() for name, tensor in tensors.items()}
            tokens = Tokens(*parts) if parts else None
            return cls(code, Adapter(weights), **facts, tokens=tokens, heard=heard)

    def fits(self, model: Autoencoder) -> bool:
        """Whether code, tokens, frames and adapter have the shapes of the model's."""
        tokens = self.tokens is None or self.tokens.values.shape[1] == model.tokens
        channels = model.config.codec.channels
        return (
            tokens
            and all(part.fits(channels) for part in self.heard)
            and self.code.shape == (1, *model.null_codes[0].shape)
            and self.adapter.fits(model.unet)
        )


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


def mixed_tokens(first: Tokens | None, second: Tokens | None, strength: float) -> Tokens | None:
    """The tokens on the way from `first` (strength 0) to `second` (1): both, each with its share of weight.

    What has no tokens leaves its share to the null token.
    """
    if strength in (0, 1):
        return second if strength else first
    if first is None or second is None:
        known, share = (second, strength) if first is None else (first, 1 - strength)
        return None if known is None else Tokens(known.values, share * known.weights)
    return first.mixed(second, strength)
