"""MSDAE and its baseline HDAE behind one interface: encode, mix, denoise.

A model is a pair of encoders of codes and a denoiser of latents that is conditioned on them. It is
built for a stage of training: in stage K it has K levels, and what later stages add does not exist.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn as nn
from einops import rearrange
from huggingface_hub import ModelHubMixin, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from msdae import checkpoint, config
from msdae.contrast import info_nce
from msdae.diffusion import EDM
from msdae.errors import UserError
from msdae.nn.encoders import LatentEncoder, MelEncoder, PatchEncoder
from msdae.nn.layers import slerp, stretch
from msdae.nn.unet import UNet
from msdae.samplers import guided
from msdae.spectral import MelConfig, scale

EMBEDDED = Path(__file__).parent / "assets" / "small.safetensors"
WEIGHTS = "model.safetensors"  # the file's name in a folder or hub repository
ENCODERS = ("patch", "conv")
POOLED_PATCH = 4  # mel frames that a pooled code's patch encoder takes at once
Guidance = Sequence[float]


@dataclass(frozen=True)
class Contrast:
    """What the code of the stage's level is to be told by (see `info_nce`).

    A pooled level has seen another excerpt of the sound; its code has to find the clip itself among others,
    the same notes by another sound above all. Other levels have seen the notes by another sound; each frame
    of their code has to find its own place in the clip itself, among all frames of other clips.

    own: x3 of the clips themselves; other: x3 of the same notes by other sounds;
    same: (batch, 2 * batch), which of both are of a clip's own sound.
    alone: nothing is denoised, the contrastive loss is all there is.
    """

    own: torch.Tensor
    other: torch.Tensor
    same: torch.Tensor
    weight: float
    alone: bool = False
    temperature: float = 0.1


@dataclass(frozen=True)
class CodecConfig:
    """The codec that the latents come from, and what was measured of its latents."""

    name: str = "spectral-neural"
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


class Autoencoder(nn.Module, ModelHubMixin, library_name="msdae", tags=["audio", "music"]):
    """What MSDAE and HDAE share: conditioning, denoising, loss, mixing and checkpoints.

    Args:
        config: sizes and codec.
        stage: how many levels exist, 1 to 3.
        provenance: how the weights came to be (run, steps, data); kept in the checkpoint's header.
    """

    kind: ClassVar[str]
    needs_mel: ClassVar[bool]
    residual: ClassVar[bool]  # whether h~_k = h_k + upsample(h~_{k-1})

    def __init__(self, config: ModelConfig, stage: int = 3, provenance: dict[str, Any] | None = None):
        super().__init__()
        if not 1 <= stage <= len(config.inject):
            raise UserError(f"stage {stage}: stages run from 1 to {len(config.inject)}")
        if self.residual and len(set(config.code_channels)) > 1:
            raise UserError("code_channels: the residual sum over levels needs equal channels")
        self.config, self.stage, self.provenance = config, stage, provenance or {}
        codes, codec = config.code_channels[:stage], config.codec
        self.edm = EDM(codec.std, config.P_mean, config.P_std)
        self.pooled = tuple(level + 1 in config.pooled for level in range(stage))
        inject = config.inject[:stage]
        self.unet = UNet(codec.channels, config.widths, codes, inject, self.pooled, config.at_input)
        self.null_codes = nn.ParameterList(nn.Parameter(0.1 * torch.randn(c, 1)) for c in codes)
        mean = torch.tensor(codec.mean or [0.0] * codec.channels)
        self.register_buffer("latent_mean", mean[:, None], persistent=False)

    def encode(self, z: torch.Tensor | None, mel: torch.Tensor | None) -> list[torch.Tensor]:
        """z: (batch, channels, frames), mel: x3 (batch, bands, 16 * frames); the one that the model does
        not read (`needs_mel`) may be None -> [h_1, ..., h_stage], each (batch, code_channels, code frames)
        """
        raise NotImplementedError

    def code_frames(self, frames: int) -> list[int]:
        """Lengths of the codes of a latent of `frames` frames, coarse to fine."""
        depths = self.config.inject[: self.stage]
        return [
            1 if whole else -(-frames // 2**depth) for depth, whole in zip(depths, self.pooled, strict=True)
        ]

    def trainable(self) -> list[nn.Module]:
        """The modules that the model's stage trains."""
        raise NotImplementedError

    def freeze(self, but: Iterable[nn.Module] | None = None) -> list[nn.Parameter]:
        """Leave gradients only to what the stage trains, or to `but`, and return those parameters."""
        self.requires_grad_(False)
        for module in self.trainable() if but is None else but:
            module.requires_grad_(True)
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    # -- conditioning and denoising

    def condition(
        self, codes: Sequence[torch.Tensor], drop: torch.Tensor | None = None
    ) -> list[torch.Tensor]:
        """h~ from h: null codes where `drop` (batch, levels) says so, then the sum over levels."""
        conditioned: list[torch.Tensor] = []
        for level, (code, null) in enumerate(zip(codes, self.null_codes, strict=True)):
            if drop is not None:
                code = torch.where(drop[:, level, None, None], null, code)
            if self.residual and conditioned:
                code = code + stretch(conditioned[-1], code.shape[-1])
            conditioned.append(code)
        return conditioned

    def denoise(
        self,
        x: torch.Tensor,
        sigma: torch.Tensor,
        codes: Sequence[torch.Tensor],
        drop: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """D(x; sigma, h~). x: noisy latents (batch, channels, frames), sigma: (batch,) -> same as x"""
        conditioned = self.condition(codes, drop)
        centred = self.edm.denoise(lambda x, c: self.unet(x, c, conditioned), x - self.latent_mean, sigma)
        return centred + self.latent_mean

    def forward(
        self,
        z: torch.Tensor,
        mel: torch.Tensor | None,
        normal: torch.Tensor,
        noise: torch.Tensor,
        drop: torch.Tensor | None = None,
        contrast: Contrast | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The training loss (eq. 38) of each clip, the noise level it was taken at, and the contrastive loss
        of the stage's level, which is in the first too (zero without `contrast`): (batch,) each.

        z, mel: as `encode` takes them; normal: (batch,) and noise: as z, standard normal;
        drop: (batch, levels), the codes replaced by null codes.
        """
        sigma = self.edm.sigmas(normal)
        codes = self.encode(z, mel)
        loss = torch.zeros_like(sigma)
        if contrast is None or not contrast.alone:
            conditioned = self.condition(codes, drop)
            loss = self.edm.loss(
                lambda x, c: self.unet(x, c, conditioned),
                z - self.latent_mean,
                noise * sigma[:, None, None],
                sigma,
            )
        if contrast is None:
            return loss, sigma, torch.zeros_like(loss)
        nce = self._contrasted(codes[-1], contrast)
        return loss + contrast.weight * nce, sigma, nce

    def _contrasted(self, code: torch.Tensor, contrast: Contrast) -> torch.Tensor:
        """The contrastive loss of the stage's level, `code` (batch, channels, frames): (batch,)"""
        level = self.stage - 1
        own = self.encode_level(level, contrast.own)
        if self.pooled[level]:
            other = self.encode_level(level, contrast.other)
            views = [view[..., 0] for view in (code, own, other)]
            return info_nce(*views, contrast.same, contrast.temperature)
        clip = torch.arange(len(code), device=code.device).repeat_interleave(code.shape[-1])
        frames = [rearrange(view, "b c t -> (b t) c") for view in (code, own)]
        nce = info_nce(*frames, None, clip[:, None] == clip[None], contrast.temperature)
        return rearrange(nce, "(b t) -> b t", b=len(code)).mean(dim=1)

    def denoiser(self, codes: Sequence[torch.Tensor], guidance: Guidance | float | None = None) -> Callable:
        """f(x, sigma) for the samplers, guided by one weight a level (1: as trained, see `guided`).

        guidance: one weight for all levels or one a level, coarse to fine; None: those of the configuration.

        Raises:
            UserError: the number of weights is neither one nor one a level.
        """
        if guidance is None:
            guidance = self.config.guidance[: self.stage]
        weights = [guidance] if isinstance(guidance, (int, float)) else list(guidance)
        weights = weights * self.stage if len(weights) == 1 else weights
        if len(weights) != self.stage:
            raise UserError(f"guidance: give one weight or {self.stage}, one a level; got {len(weights)}")

        def without(level: int) -> Callable:
            drop = torch.zeros(1, self.stage, dtype=torch.bool, device=codes[0].device)
            drop[:, level] = True
            return lambda x, sigma: self.denoise(x, sigma, codes, drop)

        guided_levels = {level: weight for level, weight in enumerate(weights) if weight != 1}
        full = lambda x, sigma: self.denoise(x, sigma, codes)  # noqa: E731
        return guided(full, {level: without(level) for level in guided_levels}, guided_levels)

    @staticmethod
    def mix(
        content: Sequence[torch.Tensor], other: Sequence[torch.Tensor], strengths: Sequence[float]
    ) -> list:
        """Codes on the way from `content` (strength 0) to `other` (1), one strength a level (see `slerp`).

        `other`'s codes are stretched to the lengths of `content`'s.
        """
        return [
            slerp(a, stretch(b, a.shape[-1]), s) for a, b, s in zip(content, other, strengths, strict=True)
        ]

    # -- what it costs

    def summary(self, batch: int = 1, frames: int = 32) -> dict[str, Any]:
        """Parameters by part, FLOPs of a training step and memory in bytes; counted, nothing is run."""
        from msdae.accounting import summarize

        return summarize(self, batch, frames)

    # -- checkpoints

    def save(self, path: str | Path, dtype: torch.dtype | None = None) -> None:
        """Write weights and everything that rebuilds the model to one safetensors file, atomically."""
        tensors = {name: tensor.to(dtype or tensor.dtype) for name, tensor in self.state_dict().items()}
        header = {
            "model": self.kind,
            "stage": self.stage,
            "config": config.to_mapping(self.config),
            "provenance": self.provenance,
        }
        checkpoint.save(path, "model", tensors, header)

    @staticmethod
    def load(path: str | Path) -> "Autoencoder":
        """The model in a file that `save` wrote, whichever of the two it is, in single precision.

        Raises:
            UserError: the file is missing, truncated, foreign, newer or does not fit its own configuration.
        """
        tensors, header = checkpoint.load(path, "model")
        if header["model"] not in MODELS:
            raise UserError(f"{path}: holds a '{header['model']}', this msdae knows {', '.join(MODELS)}")
        model_config = config.from_mapping(ModelConfig, header["config"], str(path))
        model = MODELS[header["model"]](model_config, header["stage"], header["provenance"])
        try:
            model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
        except RuntimeError as error:
            raise UserError(f"{path}: the weights do not fit their configuration ({error})") from error
        return model.eval()

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **options) -> "Autoencoder":
        """The model that ships ("embedded"), of a file, of a folder, or of a hub repository.

        Raises:
            UserError: as `load`; the repository cannot be reached; the file holds another kind of model.
        """
        name = str(pretrained_model_name_or_path)
        model = Autoencoder.load(_resolve(name, options))
        if not isinstance(model, cls):
            raise UserError(f"{name}: holds a {type(model).__name__}, expected a {cls.__name__}")
        return model

    def _save_pretrained(self, save_directory: Path) -> None:
        self.save(save_directory / WEIGHTS)


class MSDAE(Autoencoder):
    """Three 2D-conv encoders over a mel pyramid; the sum over levels makes each say what is new."""

    kind, needs_mel, residual = "msdae", True, True

    def __init__(self, config: ModelConfig, stage: int = 3, provenance: dict[str, Any] | None = None):
        super().__init__(config, stage, provenance)
        levels = len(config.inject)
        if config.codec.hop % (config.mel.hop * 2 ** (levels - 1)):
            raise UserError(f"a codec hop of {config.codec.hop} is no multiple of the coarsest mel hop")
        self.encoders = nn.ModuleList(self._encoder(level, levels) for level in range(stage))

    def _encoder(self, level: int, levels: int) -> nn.Module:
        c, pooled = self.config, self.pooled[level]
        coarser = levels - 1 - level  # halvings between this level's mel and the finest
        bands, channels = c.mel.bands >> coarser, c.code_channels[level]
        per_code = (c.codec.hop // c.mel.hop >> coarser) << c.inject[level]  # mel frames of a code frame
        if c.encoder == "patch":
            given = (c.bands.mean or (0.0,) * c.mel.bands, c.bands.std or (1.0,) * c.mel.bands)
            mean, std = (torch.tensor(values).view(bands, -1).mean(dim=1) for values in given)
            return PatchEncoder(mean, std, c.hidden, POOLED_PATCH if pooled else per_code, channels, pooled)
        halvings = per_code.bit_length() - 1
        if pooled:
            halvings = len(c.encoder_widths)  # enough frames are left to average over
        return MelEncoder(bands, c.encoder_widths, halvings, channels, pooled)

    def encode(
        self, z: torch.Tensor | None, mel: torch.Tensor | Sequence[torch.Tensor] | None
    ) -> list[torch.Tensor]:
        """As `Autoencoder.encode`; `mel` may also be a list of x3, one for each level to read."""
        views = [mel] * self.stage if isinstance(mel, torch.Tensor) else list(mel)[: self.stage]
        return [self.encode_level(level, view) for level, view in enumerate(views)]

    def encode_level(self, level: int, mel: torch.Tensor) -> torch.Tensor:
        """The code of one level, counted from 0. mel: x3 -> (batch, code_channels, code frames)"""
        return self.encoders[level](scale(mel, len(self.config.inject) - 1 - level))

    def trainable(self) -> list[nn.Module]:
        return [self.encoders[self.stage - 1], self.unet, self.null_codes]


class HDAE(Autoencoder):
    """The baseline: one semantic encoder over the latent, a code at each of three depths, no sum."""

    kind, needs_mel, residual = "hdae", False, False

    def __init__(self, config: ModelConfig, stage: int = 3, provenance: dict[str, Any] | None = None):
        super().__init__(config, len(config.inject), provenance)  # trained jointly: all levels exist
        depths = tuple(range(1, len(config.inject) + 1))
        if config.inject != depths[::-1]:
            raise UserError(
                f"inject: the codes of HDAE are taken at depths {depths[::-1]}, got {config.inject}"
            )
        self.encoder = LatentEncoder(config.codec.channels, config.encoder_widths, config.code_channels)

    def encode(self, z: torch.Tensor | None, mel: torch.Tensor | None) -> list[torch.Tensor]:
        return self.encoder(z - self.latent_mean)

    def trainable(self) -> list[nn.Module]:
        return [self.encoder, self.unet, self.null_codes]


MODELS: dict[str, type[Autoencoder]] = {"msdae": MSDAE, "hdae": HDAE}


def _resolve(name: str, options: dict[str, Any]) -> Path:
    """The weights file that `name` means; `options` are those of `hf_hub_download` (revision, token ...)."""
    if name == "embedded":
        return EMBEDDED
    path = Path(name)
    if path.is_dir():
        return path / WEIGHTS
    if path.is_file() or path.suffix == ".safetensors":
        return path
    try:
        return Path(hf_hub_download(name, WEIGHTS, **options))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"{name}: neither 'embedded', a file, a folder nor a hub repository within reach ({reason})"
        ) from error
