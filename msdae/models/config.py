"""Sizes of a model, and the codec that it belongs to."""

from dataclasses import dataclass, field
from typing import Annotated

from msdae import limits
from msdae.audio.mel import MelConfig
from msdae.errors import UserError
from msdae.limits import FINITE, SHARE, Choice, Range, Size

GUIDANCE = Range(-100, 100, reason="beyond, nothing of the sound is left")
WIDTH = Range(1, 4096, reason="wider layers have hundreds of millions of weights")
HOP = Range(1, 2**20, reason="longer frames than seconds")
DEVIATION = Range(0, 1e6, above=True)
Widths = Annotated[tuple[Annotated[int, WIDTH], ...], Size(1, 12)]


@dataclass(frozen=True)
class CodecConfig:
    """The codec that the latents come from, and what was measured of its latents.

    name: of a codec that ships or, to train over another, its file. path: that file; empty if it ships.
    """

    name: str = "spectral-neural"
    path: str = ""
    fingerprint: str = ""
    hop: Annotated[int, HOP] = 4096
    channels: Annotated[int, WIDTH] = 64
    mean: tuple[Annotated[float, FINITE], ...] = ()  # per channel; empty: zero
    std: Annotated[float, DEVIATION] = 1.0  # over all values about the mean: EDM's sigma_data

    def __post_init__(self):
        limits.check(self)
        if len(self.mean) not in (0, self.channels):
            raise UserError(
                f"mean: has {len(self.mean)} entries, expected one for each of {self.channels} channels"
            )


@dataclass(frozen=True)
class Bands:
    """Mean and standard deviation of each band of x3, measured; empty: 0 and 1."""

    mean: tuple[Annotated[float, FINITE], ...] = ()
    std: tuple[Annotated[float, DEVIATION], ...] = ()

    def __post_init__(self):
        limits.check(self)


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a model. Tuples over levels run coarse to fine.

    widths: features at the U-Net's depths, outermost first.
    inject: depth of the U-Net at which each level's code enters; depth d has the latent's rate / 2^d,
        so the thesis's decoder levels 1, 3, 5 are depths (5, 3, 1).
    at_input: codes that are not pooled enter at the U-Net's input too.
    encoder: "patch" or "conv", the thesis's (see `nn.encoders`); widths of the latter: encoder_widths.
    hidden: features of the former.
    pooled: levels whose code is one frame, an average over time: it cannot hold a melody.
    dropout: share of the clips whose code of a level is replaced by its null code in training.
    guidance: weights that sampling uses when it is given none.
    """

    widths: Widths = (384, 384, 384)
    inject: Annotated[tuple[Annotated[int, Range(0, 11)], ...], Size(1, 8)] = (2, 2, 0)
    at_input: bool = True
    pooled: Annotated[tuple[Annotated[int, Range(1, 8)], ...], Size(0, 8)] = (1,)
    encoder: Annotated[str, Choice(("patch", "conv"))] = "patch"
    hidden: Annotated[int, WIDTH] = 512
    code_channels: Widths = (32, 32, 32)
    encoder_widths: Widths = (16, 32, 64, 128)
    dropout: Annotated[float, SHARE] = 0.14
    P_mean: Annotated[float, Range(-10, 10)] = 0.5
    P_std: Annotated[float, Range(0, 10, above=True)] = 1.2
    guidance: tuple[Annotated[float, GUIDANCE], ...] = (2.0, 1.0, 2.0)
    mel: MelConfig = field(default_factory=MelConfig)
    bands: Bands = field(default_factory=Bands)
    codec: CodecConfig = field(default_factory=CodecConfig)

    def __post_init__(self):
        limits.check(self)
        levels = len(self.inject)
        if max(self.inject) >= len(self.widths):
            raise UserError(
                f"inject {self.inject}: widths of {len(self.widths)} depths have 0 to {len(self.widths) - 1}"
            )
        if len(self.code_channels) != levels:
            raise UserError(f"code_channels {self.code_channels}: give {levels}, one for each of inject")
        for name, values in (("mean", self.bands.mean), ("std", self.bands.std)):
            if len(values) not in (0, self.mel.bands):
                raise UserError(f"bands: {name} has {len(values)} entries, mel has {self.mel.bands} bands")
        if 1 != len(self.guidance) < levels:
            raise UserError(f"guidance {self.guidance}: give one weight or {levels}, one for each of inject")
        if self.mel.bands % 2 ** (levels - 1):
            raise UserError(
                f"mel: {self.mel.bands} bands cannot be halved {levels - 1} times; give a multiple"
            )
