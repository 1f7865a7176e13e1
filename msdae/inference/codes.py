"""The codes of a recording, to look at, edit, average, save and mix."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch

from msdae import checkpoint, limits
from msdae.audio.windows import starts
from msdae.errors import UserError, printable
from msdae.files import reading
from msdae.limits import Range
from msdae.models.adapter import Adapter
from msdae.nn.tokens import Tokens

KIND = "codes"
LENGTH = Range(1, 10**7, reason="days of sound")
TOKENS = ("tokens", "weights of tokens")  # names of the tensors of tokens in a file
FACTS = {"frames": int, "stride": int, "length": int, "samples": int, "model": str}  # of a file's header


@dataclass(frozen=True, eq=False)
class Codes:
    """The codes of a recording: for each level the code of each window, on the CPU.

    Attributes:
        levels: {level: (windows, channels, code frames)}, from 1 (coarse); a pooled level, which has one code
            for the whole recording, is (1, channels, 1).
        frames, stride: latent frames of a window, and from the start of one window to that of the next; the
            last window ends where the recording ends.
        length: latent frames of the recording. samples: samples of the recording, at the codec's rate.
        model: fingerprint of the model that the codes belong to.
        adapter: the adapter of that model's denoiser with which to render the codes, if level 1 is a learnt
            sound.
        tokens: tokens of level 1, one set for the whole recording, if the model has tokens.

    Raises:
        UserError: the shape of a code fits neither the windows nor a pooled level, or that of tokens or their
            weights is wrong; or one of them has NaN, infinity, integers or negative weights.
    """

    levels: Mapping[int, torch.Tensor]
    frames: Annotated[int, Range(1, 2**20)]
    stride: Annotated[int, Range(1, 2**20)]
    length: Annotated[int, LENGTH]
    samples: Annotated[int, Range(1, 2**40)]
    model: str = ""
    adapter: Adapter | None = None
    tokens: Tokens | None = None

    def __post_init__(self):
        limits.check(self)
        if self.tokens is not None:
            _check_tokens(*self.tokens)
        for level, code in self.levels.items():
            shape = _shape(code)
            if len(shape) != 3 or not (shape[0] == self.windows or shape[::2] == (1, 1)):
                raise UserError(
                    f"level {level}: a code of shape {shape}; {self.windows} windows need "
                    f"({self.windows}, channels, code frames), or (1, channels, 1) for all of them"
                )
            if not code.is_floating_point() or not code.isfinite().all():
                raise UserError(
                    f"level {level}: a code has NaN, infinity or whole numbers; give finite floats"
                )

    def __repr__(self):
        levels = {level: tuple(code.shape) for level, code in self.levels.items()}
        parts = "".join(f", {name}" for name in ("adapter", "tokens") if getattr(self, name) is not None)
        return f"Codes(levels={levels}, length={self.length}, model={self.model[:12]!r}{parts})"

    def __getitem__(self, level: int) -> torch.Tensor:
        """The code of `level`; raises a UserError if these codes lack it."""
        if level not in self.levels:
            levels = ", ".join(map(str, self.levels)) or "none"
            raise UserError(f"level {level}: these codes have levels {levels}; choose one, or encode it too")
        return self.levels[level]

    @property
    def starts(self) -> list[int]:
        """The first latent frame of each window."""
        return starts(self.length, self.frames, self.stride)

    @property
    def windows(self) -> int:
        """How many windows the recording has."""
        return len(self.starts)

    def mean(self, level: int | None = None) -> torch.Tensor | dict[int, torch.Tensor]:
        """The code of `level`, averaged over windows and frames: (channels,); by default {level: average}."""
        if level is None:
            return {level: code.mean(dim=(0, 2)) for level, code in self.levels.items()}
        return self[level].mean(dim=(0, 2))

    def replace(self, level: int, code: torch.Tensor) -> "Codes":
        """These codes with another code on `level`; a new level 1 drops tokens, which would contradict it.

        code: of the shape of the one that it replaces, or (channels,), which is repeated over time.

        Raises:
            UserError: the code has another shape.
        """
        before, code = self[level], torch.from_numpy(code) if isinstance(code, np.ndarray) else code
        shape = _shape(code)
        if len(shape) == 1:
            code = code[None, :, None].expand(len(before), -1, before.shape[-1])
        if _shape(code) != before.shape:
            raise UserError(
                f"level {level}: a code of shape {shape}; give {tuple(before.shape)} or ({before.shape[1]},)"
            )
        levels = {**self.levels, level: code.contiguous()}
        return dataclasses.replace(self, levels=levels, tokens=None if level == 1 else self.tokens)

    def at(self, level: int, frames: torch.Tensor) -> torch.Tensor:
        """The code of `level` at each of the latent frames `frames`, of any shape (...): (..., channels).

        Where windows overlap, it is taken from the window whose middle is nearest to the frame.
        """
        starts = torch.tensor(self.starts)
        windows = torch.searchsorted((starts[1:] + starts[:-1] + self.frames) / 2, frames, right=True)
        code = self[level].expand(self.windows, -1, -1)
        return code[windows, :, (frames - starts[windows]) * code.shape[2] // self.frames]

    def fitted(self, length: int, samples: int) -> "Codes":
        """These codes repeated or cut to another length, in latent frames and in samples."""
        if length == self.length:
            return dataclasses.replace(self, samples=samples)
        levels, firsts = dict(self.levels), torch.tensor(starts(length, self.frames, self.stride))
        for level, code in self.levels.items():
            if code.shape[::2] != (1, 1):
                frames = torch.arange(code.shape[2]) * self.frames // code.shape[2]
                levels[level] = self.at(level, (firsts[:, None] + frames) % self.length).transpose(1, 2)
        return dataclasses.replace(self, levels=levels, length=length, samples=samples)

    def save(self, path: str | Path) -> None:
        """Write the codes to a safetensors file, atomically.

        Raises:
            UserError: level 1 is a learnt sound, which has a file of its own (`LearntSound.save`).
        """
        if self.adapter is not None:
            raise UserError(f"{path}: codes of a learnt sound have no file; save the sound itself")
        header = {name: getattr(self, name) for name in FACTS}
        tensors = {str(level): code for level, code in self.levels.items()}
        if self.tokens is not None:
            tensors |= dict(zip(TOKENS, (x.contiguous() for x in self.tokens), strict=True))
        checkpoint.save(path, KIND, tensors, header)

    @classmethod
    def load(cls, path: str | Path) -> "Codes":
        """The codes in a file that `save` wrote.

        Raises:
            UserError: the file is missing, truncated or damaged, or holds something else.
        """
        header = checkpoint.read_header(path, KIND, FACTS)
        tensors, _ = checkpoint.load(path, KIND)
        with reading(path, checkpoint.FIX):
            parts = [tensors.pop(name) for name in TOKENS] if TOKENS[0] in tensors else None
            levels = {int(level): code for level, code in sorted(tensors.items())}
        try:
            facts = {name: header[name] for name in FACTS}
            return cls(levels, **facts, tokens=Tokens(*parts) if parts else None)
        except UserError as error:
            raise UserError(f"{printable(path)}: {error}; {checkpoint.FIX}") from error


def require(codes: Any, model: str, channels: Sequence[int], tokens: int = 0) -> None:
    """Raise an error unless `codes` are codes of a certain model.

    model: its fingerprint. channels: of the code of each level. tokens: channels of its tokens; 0: none.

    Raises:
        TypeError: `codes` are not `Codes`.
        UserError: they are of another model, or a level or the tokens have other channels.
    """
    if not isinstance(codes, Codes):
        raise TypeError(f"codes are needed, as `encode` gives them, not a {type(codes).__name__}")
    if codes.model != model:
        raise UserError(
            f"codes of another model ({codes.model[:12]}, not {model[:12]}); encode the recording again with "
            "this model, or load the model that made them"
        )
    for level, needed in enumerate(channels, 1):
        if level in codes.levels and codes[level].shape[1] != needed:
            raise UserError(
                f"level {level}: a code of {codes[level].shape[1]} channels; this model needs {needed}"
            )
    if codes.tokens is not None and codes.tokens.values.shape[1] != tokens:
        raise UserError(f"tokens of {codes.tokens.values.shape[1]} channels; this model needs {tokens}")


def _check_tokens(values: torch.Tensor, weights: torch.Tensor) -> None:
    """Raise a UserError unless these are a recording's tokens: (1, channels, tokens) and (1, tokens)."""
    shape, of_weights = _shape(values), _shape(weights)
    if len(shape) != 3 or shape[0] != 1 or of_weights != (1, shape[2]):
        raise UserError(f"tokens of shape {shape} and {of_weights}; give (1, channels, any) and (1, any)")
    numbers = (values, weights)
    if not all(x.is_floating_point() and x.isfinite().all() for x in numbers) or (weights < 0).any():
        raise UserError("tokens have NaN, infinity or whole numbers, or weights below 0; give finite floats")


def _shape(code: Any) -> tuple[int, ...]:
    """The shape of a tensor; () of anything else."""
    return tuple(code.shape) if torch.is_tensor(code) else ()
