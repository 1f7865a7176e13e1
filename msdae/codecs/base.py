"""The interface of codecs, and the function that loads one by its name or file."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn as nn

from msdae import checkpoint, files, folders
from msdae.codecs.chunks import CHUNK
from msdae.codecs.registry import CODECS, DEFAULT
from msdae.config import to_mapping
from msdae.errors import UserError, printable

CLIP_SECONDS = 3.0  # approximate length of a clip; the exact one is a whole number of latent frames
CLIP_MULTIPLE = 8  # divides the latent frames of a clip, so that codes of lower rates have whole frames
FIX = "train it again with experiments/train_codec.py"  # for a bad codec file


class Codec(nn.Module, ABC):
    """A codec from waveforms to latents and back at a fixed rate; its users do not depend on its class.

    Attributes:
        name: the name under which `load` finds it.
        kind: its name in the header of its files; empty if it has no files of its own.
        channels: channels of the latents.
        hop: samples per latent frame.
        sample_rate: in Hz.
        fingerprint: hash of the settings and weights that latents depend on; caches and checkpoints made with
            another one are refused.
    """

    name: str
    kind: ClassVar[str] = ""
    channels: int
    hop: int
    sample_rate: int
    fingerprint: str

    @property
    def identity(self) -> str:
        """A hash of all that round trips depend on, as codecs of one `fingerprint` may decode differently.

        It covers all weights and, if `config` is a dataclass, the settings.
        """
        config = getattr(self, "config", None)  # may be anything in another library's network
        settings = to_mapping(config) if is_dataclass(config) else {}
        return checkpoint.fingerprint(self.state_dict(), {"latents": self.fingerprint, "settings": settings})

    @property
    def clip_frames(self) -> int:
        """The latent frames of a clip, the unit on which models are trained."""
        frames = CLIP_SECONDS * self.sample_rate / self.hop
        return CLIP_MULTIPLE * max(1, round(frames / CLIP_MULTIPLE))

    @property
    def clip_samples(self) -> int:
        """The samples of a clip."""
        return self.clip_frames * self.hop

    @property
    def clip_seconds(self) -> float:
        """The length of a clip in seconds."""
        return self.clip_samples / self.sample_rate

    @classmethod
    def pretrained(cls) -> "Codec":
        """The codec with its published weights; by default, these are in the package.

        Raises:
            UserError: the weights are not on this machine.
        """
        return cls.from_file(folders.ASSETS / f"{cls.name}.safetensors")

    @classmethod
    def from_file(cls, path: str | Path) -> "Codec":
        """The codec in a file that `save` wrote.

        Raises:
            UserError: the file does not exist, is truncated or of another kind, has settings or tensors of
                another version, or codecs of this class have no files.
        """
        raise UserError(f"{path}: '{cls.name}' has no files of its own; load it by its name")

    def save(self, path: str | Path) -> None:
        """Write settings and weights to one safetensors file, atomically.

        Raises:
            UserError: the codec has no files of its own.
        """
        if not self.kind:
            raise UserError(f"{path}: '{self.name}' cannot be written; name it where a codec is asked for")
        checkpoint.save(path, self.kind, self.stored(), {"config": to_mapping(self.config)})

    def stored(self) -> dict[str, torch.Tensor]:
        """The tensors of a file, of a codec that has files of its own."""
        raise NotImplementedError

    def frames(self, samples: int) -> int:
        """The number of latent frames of `samples` samples; the last frame may be partly padding."""
        return -(-samples // self.hop)

    @abstractmethod
    def encode(self, waveform: torch.Tensor) -> torch.Tensor:
        """waveform: (batch, samples), mono, [-1, 1] -> z: (batch, channels, frames(samples))."""

    @abstractmethod
    def stream(self, latents: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Decode latents as they arrive, in constant memory.

        latents: blocks of z (batch, channels, any), however they are cut -> blocks of the waveform
            (batch, any), with `hop` samples per latent frame in all.
        """

    def follow(
        self, latents: Iterable[torch.Tensor], melody: Iterable[torch.Tensor]
    ) -> Iterator[torch.Tensor]:
        """Like `stream`, with a recording of the same notes, which may help a codec to place low partials.

        melody: for each block of latents, the same block of the recording, (batch, hop * frames). A codec
            that does not override this method ignores it.
        """
        return self.stream(latents)

    @torch.no_grad()
    def continued(
        self,
        z: torch.Tensor,
        before: int,
        own: int,
        state: Any = None,
        melody: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, Any]:
        """Decode a piece of a stream: its own frames, and a preview of the frames after them.

        z: (batch, channels, before + own + after): frames of the last piece, of this one, and of the next.
        state: the state that the last piece returned, by which the sound continues without a join; None for
            the first piece.
        melody: as in `follow`, for all frames of z: (batch, hop * frames).

        Returns:
            the waveform (batch, (own + after) * hop), and the state for the next piece.
        """
        return self.decode(z)[:, before * self.hop :], None

    @torch.no_grad()
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """z: (batch, channels, frames) -> waveform: (batch, frames * hop)."""
        together = max(1, CHUNK // max(1, z.shape[-1]))
        return torch.cat([torch.cat(list(self.stream([group])), dim=-1) for group in z.split(together)])


def load(name_or_path: str | Path = DEFAULT, device: str | torch.device = "cpu") -> Codec:
    """The codec `name_or_path`, ready to use on `device`.

    name_or_path: a name in `CODECS`, or a file that experiments/train_codec.py wrote.

    Raises:
        UserError: it is neither a known name nor a file, the file is damaged, the weights are missing, or two
            codecs have files of its kind.
    """
    name = str(name_or_path)
    with files.reading(name):
        is_file = bool(name) and Path(name).exists()
    if name in CODECS:
        codec = CODECS[name].pretrained()
    elif is_file:
        kind = checkpoint.kind_of(name)
        classes = [CODECS[entry] for entry in CODECS if CODECS[entry].kind == kind]
        if not classes:
            reason = f"holds a {printable(kind)[:60]}, no codec"
            raise UserError(f"{printable(name)}: {reason}; give a file of experiments/train_codec.py")
        if len(classes) > 1:
            names = " and ".join(entry.name for entry in classes)
            reason = f"holds a {printable(kind)[:60]}, which {names} both call theirs"
            raise UserError(f"{printable(name)}: {reason}; give each class a kind of its own")
        codec = classes[0].from_file(name)
    else:
        names = " or ".join(CODECS)
        raise UserError(
            f"codec '{printable(name)}': neither a file nor a codec's name; give {names}, or import its file"
        )
    return codec.to(device).eval()
