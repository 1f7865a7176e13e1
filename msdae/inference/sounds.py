"""Learnt sounds: each can take the place of a timbre source, and is stored in a small file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from msdae import checkpoint, files
from msdae.audio.files import SUFFIXES
from msdae.errors import UserError, printable
from msdae.inference.codes import TOKENS, Codes
from msdae.limits import SHARE
from msdae.models.adapter import Adapter
from msdae.models.autoencoder import Autoencoder
from msdae.nn.tokens import Tokens

KIND, CODE, ADAPTER = "sound", "code", "adapter."  # in files: their kind, and names of tensors
FACTS = ("model", "names", "seconds", "steps", "held_out")
FIX = "learn the sound again"


@dataclass(frozen=True, eq=False)
class LearntSound:
    """What a model has learnt of a sound.

    Attributes:
        code: the code of level 1, (1, channels, 1).
        adapter: changes to the model's denoiser.
        model: fingerprint of the model.
        names: of the recordings that the sound was learnt from. seconds: their audible length.
        steps: how many steps the sound was learnt for.
        held_out: EDM's loss on held-out excerpts, before and after learning; empty if none were held out.
        tokens: tokens of level 1, if the model has them.
    """

    code: torch.Tensor
    adapter: Adapter
    model: str
    names: tuple[str, ...] = ()
    seconds: float = 0.0
    steps: int = 0
    held_out: tuple[float, ...] = ()
    tokens: Tokens | None = None

    @property
    def codes(self) -> Codes:
        """The sound as codes of level 1, which fit recordings of any length."""
        return Codes({1: self.code}, 1, 1, 1, 1, self.model, self.adapter, self.tokens)

    def blend(self, other: "LearntSound", strength: float) -> "LearntSound":
        """The sound between this one (strength 0) and `other` (strength 1), of the same model.

        Raises:
            UserError: the sounds are of two models, or the strength is outside 0 to 1.
        """
        SHARE.check(strength, "strength")
        if self.model != other.model:
            raise UserError("sounds of two models have nothing between them; learn both with one model")
        (code,) = Autoencoder.mix([self.code], [other.code], [strength])
        adapter = blended(self.adapter, other.adapter, strength)
        names = tuple(dict.fromkeys([*self.names, *other.names]))
        seconds, steps = self.seconds + other.seconds, max(self.steps, other.steps)
        tokens = mixed_tokens(self.tokens, other.tokens, strength)
        return LearntSound(code, adapter, self.model, names, seconds, steps, tokens=tokens)

    def save(self, path: str | Path) -> None:
        """Write the sound to a safetensors file in half precision, atomically."""
        tensors = {f"{ADAPTER}{name}": tensor for name, tensor in self.adapter.tensors().items()}
        if self.tokens is not None:
            tensors |= dict(zip(TOKENS, self.tokens, strict=True))
        header = {name: getattr(self, name) for name in FACTS}
        checkpoint.save(path, KIND, checkpoint.halved({CODE: self.code, **tensors}), header)

    @classmethod
    def load(cls, path: str | Path) -> "LearntSound":
        """The sound in a file that `save` wrote; a pipeline of another model refuses it.

        Raises:
            UserError: the file is missing, truncated or damaged, or holds something else, as a recording.
        """
        if Path(path).suffix.lower() in SUFFIXES:
            raise UserError(
                f"{printable(path)}: a recording, no learnt sound; learn it, or give it as a source"
            )
        tensors, header = checkpoint.load(path, KIND)
        with files.reading(path, FIX):
            facts = {name: tuple(v) if isinstance(v := header[name], list) else v for name in FACTS}
            code = tensors.pop(CODE).float()
            parts = [tensors.pop(name).float() for name in TOKENS] if TOKENS[0] in tensors else None
            own = [name for name in tensors if name.startswith(ADAPTER)]
            changes = {name.removeprefix(ADAPTER): tensors[name].float() for name in own}
            return cls(code, Adapter(changes), **facts, tokens=Tokens(*parts) if parts else None)

    def require(self, path: str | Path, model: Autoencoder, fingerprint: str) -> None:
        """Raise a UserError unless the sound, from the file `path`, is of `model`, of this fingerprint."""
        if self.model != fingerprint or not self.fits(model):
            raise UserError(
                f"{path}: a sound of another model ({self.model[:12]}, not {fingerprint[:12]}); "
                "learn it again with this one, or give that one with --checkpoint"
            )

    def fits(self, model: Autoencoder) -> bool:
        """Whether code, tokens and adapter have the shapes that `model` needs."""
        tokens = self.tokens is None or self.tokens.values.shape[1] == model.token_channels
        code = self.code.shape == (1, *model.null_codes[0].shape)
        return tokens and code and self.adapter.fits(model.unet)


def known_codes(source: Any) -> Codes | None:
    """The codes of a learnt sound, or `Codes` as they are; None for a source that has to be encoded."""
    if isinstance(source, LearntSound):
        return source.codes
    return source if isinstance(source, Codes) else None


def blended(first: Adapter | None, second: Adapter | None, strength: float) -> Adapter | None:
    """The adapter between `first` (strength 0) and `second` (1); None is an adapter that changes nothing."""
    parts = [
        (adapter, weight)
        for adapter, weight in ((first, 1 - strength), (second, strength))
        if adapter is not None and weight
    ]
    if len(parts) == 1 and parts[0][1] == 1:
        return parts[0][0]
    return Adapter.sum(*zip(*parts, strict=True)) if parts else None


def mixed_tokens(first: Tokens | None, second: Tokens | None, strength: float) -> Tokens | None:
    """The tokens between `first` (strength 0) and `second` (1): both sets, each weighted by its share.

    None adds no tokens: the null token, whose weight is always 1, gains in proportion.
    """
    if strength in (0, 1):
        return second if strength else first
    if first is None or second is None:
        known, share = (second, strength) if first is None else (first, 1 - strength)
        return None if known is None else Tokens(known.values, share * known.weights)
    return first.mixed(second, strength)
