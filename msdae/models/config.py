"""Sizes of a model, and the codec that it belongs to."""

from dataclasses import dataclass, field

from msdae.audio.mel import MelConfig
from msdae.errors import UserError

ENCODERS = ("patch", "conv")


@dataclass(frozen=True)
class CodecConfig:
    """The codec that the latents come from, and what was measured of its latents.

    name: of a codec that ships or, to train over another, its file. path: that file; empty if it ships.
    """

    name: str = "spectral-neural"
    path: str = ""
    fingerprint: str = ""
    hop: int = 4096
    channels: int = 64
    mean: tuple[float, ...] = ()  # per channel; empty: zero
    std: float = 1.0  # over all values about the mean: EDM's sigma_data


@dataclass(frozen=True)
class Bands:
    """Mean and standard deviation of each band of x3, measured; empty: 0 and 1."""

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


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

    widths: tuple[int, ...] = (384, 384, 384)
    inject: tuple[int, ...] = (2, 2, 0)
    at_input: bool = True
    pooled: tuple[int, ...] = (1,)
    encoder: str = "patch"
    hidden: int = 512
    code_channels: tuple[int, ...] = (32, 32, 32)
    encoder_widths: tuple[int, ...] = (16, 32, 64, 128)
    dropout: float = 0.14
    P_mean: float = 0.5
    P_std: float = 1.2
    guidance: tuple[float, ...] = (2.0, 1.0, 2.0)
    mel: MelConfig = field(default_factory=MelConfig)
    bands: Bands = field(default_factory=Bands)
    codec: CodecConfig = field(default_factory=CodecConfig)

    def __post_init__(self):
        if self.encoder not in ENCODERS:
            raise UserError(f"encoder '{self.encoder}': choose one of {', '.join(ENCODERS)}")
        if max(self.inject) >= len(self.widths):
            raise UserError(
                f"inject {self.inject}: widths of {len(self.widths)} depths have 0 to {len(self.widths) - 1}"
            )
