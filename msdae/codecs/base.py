"""What a codec is to everything above it, and which ones there are."""

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

CLIP_SECONDS = 3.0  # about the length of a clip; the exact one is a whole number of latent frames
CLIP_MULTIPLE = 8  # of latent frames, so that codes at a fraction of their rate are whole
FIX = "train it again with experiments/train_codec.py"  # a codec's file that is wrong


class Codec(nn.Module, ABC):
    """Waveform to latents and back at a fixed rate; nothing above knows which codec it is.

    Attributes:
        name: the name that `load` takes.
        kind: what the header of its files calls it; empty where it has no files of its own.
        channels: channels of the latent.
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
        """Hash of all that round trips depend on: codecs of one `fingerprint` may decode differently.

        That is the weights and, where `config` is a dataclass, the settings.
        """
        config = getattr(self, "config", None)  # of another library's network it may be anything
        settings = to_mapping(config) if is_dataclass(config) else {}
        return checkpoint.fingerprint(self.state_dict(), {"latents": self.fingerprint, "settings": settings})

    @property
    def clip_frames(self) -> int:
        """Latent frames of a clip, which models are trained on."""
        frames = CLIP_SECONDS * self.sample_rate / self.hop
        return CLIP_MULTIPLE * max(1, round(frames / CLIP_MULTIPLE))

    @property
    def clip_samples(self) -> int:
        """Samples of a clip."""
        return self.clip_frames * self.hop

    @property
    def clip_seconds(self) -> float:
        """Length of a clip in seconds."""
        return self.clip_samples / self.sample_rate

    @classmethod
    def pretrained(cls) -> "Codec":
        """The codec with its published weights; by default those in the package.

        Raises:
            UserError: the weights are not on this machine.
        """
        return cls.from_file(folders.ASSETS / f"{cls.name}.safetensors")

    @classmethod
    def from_file(cls, path: str | Path) -> "Codec":
        """The codec that `save` wrote.

        Raises:
            UserError: no such file, a truncated or foreign one, settings or tensors of another version.
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
        """Latent frames of `samples` samples; the last one may be partly padding."""
        return -(-samples // self.hop)

    @abstractmethod
    def encode(self, waveform: torch.Tensor) -> torch.Tensor:
        """waveform: (batch, samples), mono, [-1, 1] -> z: (batch, channels, frames(samples))."""

    @abstractmethod
    def stream(self, latents: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Decode latents of any length as they come, in memory that does not grow.

        latents: blocks (batch, channels, any) of z, however cut -> blocks (batch, any) of the waveform, hop
            samples a frame.
        """

    def follow(
        self, latents: Iterable[torch.Tensor], melody: Iterable[torch.Tensor]
    ) -> Iterator[torch.Tensor]:
        """As `stream`, with a recording of the same notes, by which a codec may tell where low partials are.

        melody: for each block of latents one of the recording, (batch, hop * frames). A codec that does not
            override this leaves it unheard.
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
        """Decode a piece of a stream: its own frames, and a preview of those after them.

        z: (batch, channels, before + own + after) frames: the last piece's, its own, and the next piece's.
        state: returned by the piece before, so that its sound goes on without a join; None: the first piece.
        melody: (batch, hop * frames of z), as of `follow`.

        Returns:
            the waveform (batch, (own + after) * hop), and the next piece's state.
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
        UserError: neither a known name nor a file, a damaged file, or missing weights.
    """
    name = str(name_or_path)
    with files.reading(name):
        is_file = bool(name) and Path(name).exists()
    if name in CODECS:
        codec = CODECS[name].pretrained()
    elif is_file:
        kinds = {CODECS[entry].kind: CODECS[entry] for entry in CODECS}
        kind = checkpoint.kind_of(name)
        if kind not in kinds:
            reason = f"holds a {printable(kind)[:60]}, no codec"
            raise UserError(f"{printable(name)}: {reason}; give a file of experiments/train_codec.py")
        codec = kinds[kind].from_file(name)
    else:
        names = " or ".join(CODECS)
        raise UserError(
            f"codec '{printable(name)}': neither a file nor a codec's name; give {names}, or import its file"
        )
    return codec.to(device).eval()
