"""Sizes of a model, and the codec that it belongs to."""

from dataclasses import dataclass, field
from typing import Annotated

from msdae import limits
from msdae.audio.mel import MelConfig
from msdae.errors import UserError
from msdae.limits import FINITE, GUIDANCE, Choice, Range, Share, Size

WIDTH = Range(1, 4096, reason="wider layers have hundreds of millions of weights")
HOP = Range(1, 2**20, reason="longer frames than seconds")
HEADS = Range(0, 64, reason="more than a code has numbers")
DEVIATION = Range(0, 1e6, above=True)
Widths = Annotated[tuple[Annotated[int, WIDTH], ...], Size(1, 12)]


@dataclass(frozen=True)
class CodecConfig:
    """The codec that the latents come from, and what was measured on its latents.

    name: the name of a codec that ships; to train on the latents of another one, the name of its file.
    path: the file of a codec that does not ship, else empty.
    hop: samples of a latent frame. channels: of the latent.
    """

    name: str = "spectral-neural"
    path: str = ""
    fingerprint: str = ""
    hop: Annotated[int, HOP] = 4096
    channels: Annotated[int, WIDTH] = 64
    mean: tuple[Annotated[float, FINITE], ...] = ()  # of each channel; empty: all are zero
    std: Annotated[float, DEVIATION] = 1.0  # of all values about their channel's mean: EDM's sigma_data

    def __post_init__(self):
        limits.check(self)
        if len(self.mean) not in (0, self.channels):
            raise UserError(
                f"mean: has {len(self.mean)} entries, expected one for each of {self.channels} channels"
            )


@dataclass(frozen=True)
class Bands:
    """Mean and standard deviation of each band of x3, as measured; where they are empty, 0 and 1."""

    mean: tuple[Annotated[float, FINITE], ...] = ()
    std: tuple[Annotated[float, DEVIATION], ...] = ()

    def __post_init__(self):
        limits.check(self)


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a model. Tuples over levels run from coarse to fine.

    widths: number of features at each depth of the U-Net, the outermost first.
    inject: depth of the U-Net at which each level's code enters. Depth d has the latent's rate / 2^d,
        so the thesis's decoder levels 1, 3, 5 are depths (5, 3, 1).
    at_input: whether codes that are not pooled also enter at the U-Net's input.
    encoder: "patch", or "conv", which is the thesis's (see `nn.encoders`).
    hidden: number of features of a patch encoder. encoder_widths: numbers of features of a conv encoder.
    code_channels: channels of each level's code.
    pooled: the levels whose code is a single frame, an average over time, which cannot hold a melody.
    dropout: share of the clips in which a level's code is replaced by its null code in training.
    P_mean, P_std: mean and deviation of ln sigma in training. P_mean is for latents whose deviation is about
        1; for others, add the logarithm of their deviation.
    guidance: the weights that sampling uses when it is given none.
    heads: attention heads by which a patch encoder pools frames; 0: it takes their mean and deviation.
    around: number of further layers of the finest patch encoder. With one, two or three of them it sees about
        3, 7 or 15 code frames to either side.
    tokens: channels of level 1's tokens, to which the denoiser attends; 0: there are no tokens.
    token_frames: frames of the finest mel that make one token. token_hidden: features of the token encoder.
    attend: depths of the decoder that attend to tokens. attention: number of attention heads there.
    most_tokens: how many tokens a recording has at most; those of a longer one are thinned evenly.
    dropped: three shares of the clips: those trained without any condition, those trained without the pooled
        levels and the tokens, and those trained without one or all of the other levels. They take the place
        of `dropout`, which drops each level by itself.
    noise: deviation of the noise that training adds to codes that are not pooled, in multiples of the root
        mean square of each code frame.
    """

    widths: Widths = (384, 384, 384)
    inject: Annotated[tuple[Annotated[int, Range(0, 11)], ...], Size(1, 8)] = (2, 2, 0)
    at_input: bool = True
    pooled: Annotated[tuple[Annotated[int, Range(1, 8)], ...], Size(0, 8)] = (1,)
    encoder: Annotated[str, Choice(("patch", "conv"))] = "patch"
    hidden: Annotated[int, WIDTH] = 512
    code_channels: Widths = (32, 32, 32)
    encoder_widths: Widths = (16, 32, 64, 128)
    dropout: Share = 0.14
    P_mean: Annotated[float, Range(-10, 10)] = 0.5
    P_std: Annotated[float, Range(0, 10, above=True)] = 1.2
    guidance: tuple[Annotated[float, GUIDANCE], ...] = (2.0, 1.0, 2.0)
    heads: Annotated[int, HEADS] = 0
    around: Annotated[int, Range(0, 4, reason="no more of a clip is left to see")] = 0
    tokens: Annotated[int, Range(0, 1024, reason="more than a sound needs")] = 0
    token_frames: Annotated[int, Range(4, 512)] = 16
    token_hidden: Annotated[int, WIDTH] = 256
    attend: Annotated[tuple[Annotated[int, Range(0, 11)], ...], Size(0, 12)] = (1, 0)
    attention: Annotated[int, Range(1, 64)] = 4
    most_tokens: Annotated[int, Range(1, 4096, reason="slower, and no better")] = 256
    dropped: Annotated[tuple[Share, ...], Size(0, 3)] = ()
    noise: Annotated[float, Range(0, 10)] = 0.0
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
        if self.heads and self.hidden % self.heads:
            raise UserError(f"hidden {self.hidden}: give a multiple of the {self.heads} heads")
        if self.tokens:
            self._check_tokens()
        if len(self.dropped) not in (0, 3) or sum(self.dropped) > 1:
            raise UserError(f"dropped {self.dropped}: give three shares that are 1 at most together, or none")
        if self.mel.bands % 2 ** (levels - 1):
            raise UserError(
                f"mel: {self.mel.bands} bands cannot be halved {levels - 1} times; give a multiple"
            )

    def _check_tokens(self) -> None:
        """Raise a UserError where the settings of tokens do not fit together."""
        if 1 not in self.pooled or self.encoder != "patch":
            raise UserError("tokens: they are of level 1; take it into pooled, and encoder patch")
        if (
            not self.attend
            or max(self.attend) >= len(self.widths)
            or len(set(self.attend)) < len(self.attend)
        ):
            raise UserError(f"attend {self.attend}: give depths from 0 to {len(self.widths) - 1}, each once")
        if self.token_frames % 4:
            raise UserError(f"token_frames {self.token_frames}: give a multiple of 4")
