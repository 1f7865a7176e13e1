"""MSDAE and its baseline HDAE behind one interface: encode, mix, denoise.

A model is a pair of encoders of codes and a denoiser of latents that is conditioned on them. It is
built for a stage of training: in stage K it has K levels, and what later stages add does not exist.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn as nn
import torch.nn.functional as F

from msdae import checkpoint, config, files, folders, limits
from msdae.diffusion.edm import EDM
from msdae.diffusion.samplers import guided
from msdae.errors import UserError, printable
from msdae.models import cards, codec_files, hub
from msdae.models.condition_dropout import dropped_levels, kept_tokens, with_noise
from msdae.models.config import ModelConfig
from msdae.models.contrast import contrastive_loss
from msdae.models.registry import MODELS
from msdae.nn.layers import normal, slerp, stretch
from msdae.nn.tokens import TokenEncoder, Tokens, normalised, weights_of
from msdae.nn.unet import UNet

EMBEDDED = folders.ASSETS / "small.safetensors"
Guidance = Sequence[float]
HEADER = {"model": str, "stage": int, "config": dict, "provenance": dict}  # what a model's file has
SOURCES = "'embedded', a file, a folder or a hub id (owner/name)"


class Autoencoder(nn.Module):
    """What MSDAE and HDAE share: conditioning, denoising, loss, mixing and checkpoints.

    Args:
        config: sizes and codec.
        stage: how many levels exist, 1 to 3.
        provenance: how the weights came to be (run, steps, data); kept in the checkpoint's header.
    """

    folder: Path | None = None  # where the file lies that the model was loaded from
    kind: ClassVar[str]
    needs_mel: ClassVar[bool]
    joint: ClassVar[bool] = False  # whether all levels are trained together, in one stage
    residual: ClassVar[bool]  # whether h~_k = h_k + upsample(h~_{k-1}), if both have as many channels

    def __init__(self, config: ModelConfig, stage: int = 3, provenance: dict[str, Any] | None = None):
        super().__init__()
        if not 1 <= stage <= len(config.inject):
            raise UserError(f"stage {stage}: stages run from 1 to {len(config.inject)}")
        self.config, self.stage, self.provenance = config, stage, provenance or {}
        codes, codec = config.code_channels[:stage], config.codec
        self.edm = EDM(codec.std, config.P_mean, config.P_std)
        self.pooled = tuple(level + 1 in config.pooled for level in range(stage))
        inject = config.inject[:stage]
        self.token_channels = config.tokens if self.needs_mel else 0
        self.unet = UNet(
            codec.channels,
            config.widths,
            codes,
            inject,
            self.pooled,
            config.at_input,
            self.token_channels,
            config.attend,
            config.attention,
        )
        self.token_encoder: TokenEncoder | None = None
        self.null_codes = nn.ParameterList(nn.Parameter(normal(c, 1, scale=0.1)) for c in codes)
        mean = torch.tensor(codec.mean or [0.0] * codec.channels)
        self.register_buffer("latent_mean", mean[:, None], persistent=False)

    def encode(
        self, z: torch.Tensor | None, mel: torch.Tensor | Sequence[torch.Tensor] | None
    ) -> list[torch.Tensor]:
        """The codes of clips: [h_1, ..., h_stage], each (batch, code_channels, code frames).

        z: latents (batch, channels, frames). mel: x3, (batch, bands, mel frames), or a list with one x3 for
        each level to read. The model reads one of the two (see `needs_mel`); the other may be None.
        """
        raise NotImplementedError

    def trainable(self) -> list[nn.Module]:
        """The modules that the model's stage trains."""
        raise NotImplementedError

    def denoising(self) -> list[nn.Module]:
        """The modules that denoise, without the encoders of codes."""
        tokens = [] if self.token_encoder is None else [self.token_encoder]
        return [*tokens, self.unet, self.null_codes]

    def compiled(self) -> list[nn.Module]:
        """The modules that are worth compiling: all that compute, also those that a stage does not train."""
        return [
            module for module in self.children() if not isinstance(module, (nn.ParameterList, nn.ModuleList))
        ]

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
            if self.residual and conditioned and conditioned[-1].shape[1] == code.shape[1]:
                code = code + stretch(conditioned[-1], code.shape[-1])
            conditioned.append(code)
        return conditioned

    def attended(
        self, tokens: Tokens | None, batch: int, drop: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor] | None:
        """What the U-Net attends to: the values of tokens, the null token's at the end, and the bias of the
        attention to each of them; None for a model without tokens.

        tokens: None leaves the null token alone, as `drop` does in clips whose level 1 it takes away.
        batch: number of clips. drop: as in `condition`.
        """
        if self.token_encoder is None:
            return None
        null = normalised(self.token_encoder.null[None]).expand(batch, -1, -1)
        if tokens is None:
            return null, null.new_zeros(batch, 1)
        weights = tokens.weights if drop is None else tokens.weights.masked_fill(drop[:, :1], 0)
        bias = F.pad(weights.float().log(), (0, 1))
        return torch.cat([tokens.values.expand(batch, -1, -1), null], dim=2), bias.expand(batch, -1)

    def denoise(
        self,
        x: torch.Tensor,
        sigma: torch.Tensor,
        codes: Sequence[torch.Tensor],
        drop: torch.Tensor | None = None,
        tokens: Tokens | None = None,
        unet: Callable | None = None,
    ) -> torch.Tensor:
        """D(x; sigma, h~). x: noisy latents (batch, channels, frames), sigma: (batch,) -> same as x

        drop, tokens: as in `attended`. unet: a network to use in place of the model's own.
        """
        conditioned, attended = self.condition(codes, drop), self.attended(tokens, x.shape[0], drop)
        unet = unet or self.unet
        centred = self.edm.denoise(
            lambda x, c: unet(x, c, conditioned, attended), x - self.latent_mean, sigma
        )
        return centred + self.latent_mean

    def losses(
        self, batch: Any, draws: Any, contrast: float = 0.0, contrast_only: bool = False
    ) -> dict[str, torch.Tensor]:
        """The weighted terms of the training loss of each clip, (batch,) each; their sum is the loss.

        "denoising" is eq. 38, "contrast" the contrastive loss of the stage's level (see `models.contrast`).
        In training mode some codes are replaced by null codes, as often as `dropout` or `dropped` says, codes
        get noise, and some tokens are left out (`models.condition_dropout`).

        batch: a `msdae.data.Batch`. draws: `msdae.data.draws.Draws` of the batch. contrast: weight of the
        contrastive loss; 0 leaves it out. contrast_only: leave the denoising out.
        """
        sigma = self.edm.sigmas(draws.normal())
        noise = draws.normal(*batch.z.shape[1:]) * sigma[:, None, None]
        drop = dropped_levels(draws, self.pooled, self.config) if self.training else None
        codes = self.encode(batch.z, [batch.timbre if pooled else batch.content for pooled in self.pooled])
        terms = {}
        if not contrast_only:
            noisy = with_noise(draws, codes, self.pooled, self.config.noise) if self.training else codes
            conditioned = self.condition(noisy, drop)
            attended = self.attended(self._training_tokens(batch.timbre, draws), len(batch.z), drop)
            terms["denoising"] = self.edm.loss(
                lambda x, c: self.unet(x, c, conditioned, attended), batch.z - self.latent_mean, noise, sigma
            )
        if contrast:
            terms["contrast"] = contrast * contrastive_loss(self, codes[-1], batch)
        return terms

    def encode_tokens(self, mel: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Level 1's tokens of x3, and how loud each is (see `TokenEncoder`); None if the model has none."""
        return None if self.token_encoder is None else self.token_encoder(mel)

    def _training_tokens(self, mel: torch.Tensor, draws: Any) -> Tokens | None:
        """The tokens of clips; in training mode, a random share of them."""
        encoded = self.encode_tokens(mel)
        if encoded is None:
            return None
        values, loudness = encoded
        kept = kept_tokens(draws, loudness.shape[1]) if self.training else None
        return Tokens(values, weights_of(loudness, kept))

    def forward(
        self, batch: Any, draws: Any, contrast: float = 0.0, contrast_only: bool = False
    ) -> dict[str, torch.Tensor]:
        """`losses`: what several processes and mixed precision wrap is a module's forward."""
        return self.losses(batch, draws, contrast, contrast_only)

    def guidance_weights(self, guidance: Guidance | float | None) -> list[float]:
        """The guidance that `denoiser` takes, as one weight a level, from coarse to fine.

        Raises:
            UserError: the number of weights is neither one nor one a level.
        """
        if guidance is None:
            guidance = self.config.guidance[: self.stage]
        weights = [guidance] if isinstance(guidance, (int, float)) else list(guidance)
        weights = weights * self.stage if len(weights) == 1 else weights
        if len(weights) != self.stage:
            raise UserError(f"guidance: give one weight or {self.stage}, one a level; got {len(weights)}")
        return weights

    def denoiser(
        self,
        codes: Sequence[torch.Tensor],
        guidance: Guidance | float | None = None,
        tokens: Tokens | None = None,
    ) -> Callable:
        """f(x, sigma) for the samplers, guided by one weight a level (1: as trained, see `guided`).

        guidance: one weight for all levels or one a level, coarse to fine; None: those of the configuration.

        Raises:
            UserError: as `guidance_weights`.
        """
        weights = self.guidance_weights(guidance)
        levels = [level for level, weight in enumerate(weights) if weight != 1]
        if not levels:
            return lambda x, sigma: self.denoise(x, sigma, codes, None, tokens)

        def denoisers(x: torch.Tensor, sigma: torch.Tensor) -> tuple[torch.Tensor, ...]:
            """D with all levels, then D without each guided one: one batch, faster where windows are few."""
            copies, batch = 1 + len(levels), len(x)
            drop = torch.zeros(copies, batch, self.stage, dtype=torch.bool, device=x.device)
            for copy, level in enumerate(levels, start=1):
                drop[copy, :, level] = True
            noisy, noise_levels = x.repeat(copies, 1, 1), sigma.repeat(copies)
            many_codes = [_repeated(code, batch, copies) for code in codes]
            many_tokens = tokens and Tokens(*(_repeated(part, batch, copies) for part in tokens))
            return self.denoise(noisy, noise_levels, many_codes, drop.flatten(0, 1), many_tokens).chunk(
                copies
            )

        return guided(denoisers, [weights[level] for level in levels])

    @staticmethod
    def mix(
        content: Sequence[torch.Tensor], other: Sequence[torch.Tensor], strengths: Sequence[float]
    ) -> list[torch.Tensor]:
        """Codes on the way from `content` (strength 0) to `other` (1), one strength a level (see `slerp`).

        `other`'s codes are stretched to the lengths of `content`'s.
        """
        return [
            slerp(a, stretch(b, a.shape[-1]), s) for a, b, s in zip(content, other, strengths, strict=True)
        ]

    # -- checkpoints

    def save(self, path: str | Path, dtype: torch.dtype | None = None) -> None:
        """Write weights and everything that rebuilds the model to one safetensors file, atomically."""
        self._write(path, self.config, dtype)

    def _write(self, path: str | Path, settings: ModelConfig, dtype: torch.dtype | None = None) -> None:
        tensors = {name: tensor.to(dtype or tensor.dtype) for name, tensor in self.state_dict().items()}
        header = {
            "model": self.kind,
            "stage": self.stage,
            "config": config.to_mapping(settings),
            "provenance": self.provenance,
        }
        checkpoint.save(path, "model", tensors, header)

    @staticmethod
    def load(path: str | Path) -> "Autoencoder":
        """The model in a file that `save` wrote, whichever of the two it is, in single precision.

        Raises:
            UserError: the file is missing, truncated, foreign, newer or does not fit its own configuration.
        """
        header = checkpoint.read_header(path, "model", HEADER)
        if header["model"] not in MODELS:
            reason = f"holds a '{printable(header['model'])[:40]}', this msdae knows {', '.join(MODELS)}"
            raise UserError(
                f"{printable(path)}: {reason}; import the file that registers it, or upgrade msdae"
            )
        model_config = config.of_file(ModelConfig, header["config"], path)
        kind, stage = header["model"], header["stage"]
        try:
            outline = outlined(kind, model_config, stage)
        except UserError as error:  # sizes that do not fit together
            raise UserError(f"{printable(path)}: {error}; {checkpoint.FIX}") from error
        checkpoint.require_tensors(path, outline.state_dict())
        with checkpoint.Unset():
            model = build(kind, model_config, stage, header["provenance"])
        tensors, _ = checkpoint.load(path, "model")
        model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
        model.folder = Path(path).parent
        return model.eval()

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | Path = "embedded", **options
    ) -> "Autoencoder":
        """The model that ships ("embedded"), of a file, of a folder, or of a hub repository.

        Raises:
            UserError: as `load`; the repository cannot be reached; the file holds another kind of model.
        """
        name = str(pretrained_model_name_or_path)
        model = Autoencoder.load(_resolve(name, options))
        if not isinstance(model, cls):
            raise UserError(f"{name}: holds a {type(model).__name__}, expected a {cls.__name__}")
        return model

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model to a folder, with its student, and with its codec's file if that does not ship.

        The model then names this file, and not the place on this machine where it was in training.
        """
        files.make_folder(Path(folder))
        codec = replace(self.config.codec, path=self.config.codec.path and codec_files.CODEC)
        self._write(Path(folder) / hub.WEIGHTS, replace(self.config, codec=codec))
        codec_files.copy(codec_files.find(self.config.codec, self.folder), folder)
        hub.copy_student(self.folder, Path(folder))

    def card(self, name: str) -> str:
        """The model's page in the hub repository `name`."""
        weights = sum(parameter.numel() for parameter in self.parameters())
        kind = type(self).__name__
        return cards.card(name, kind, self.config, self.stage, weights, self.provenance)

    def push_to_hub(self, name: str, **options: Any) -> str:
        """Upload the model to the hub repository `name`, as `msdae.models.hub.push`; return its address."""
        return hub.push(self.save_pretrained, name, self.card(name), **options)


def _repeated(part: torch.Tensor, batch: int, copies: int) -> torch.Tensor:
    """(batch or 1, ...) -> (copies * batch, ...): the batch repeated; a single clip stands for all of it."""
    return part.expand(batch, *part.shape[1:]).repeat(copies, *[1] * (part.ndim - 1))


def outlined(kind: str, config: ModelConfig, stage: int = 3) -> Autoencoder:
    """The model `kind` ("msdae", "hdae") without memory for its weights: on the meta device."""
    with torch.device("meta"):
        return MODELS[kind](config, stage)


def build(
    kind: str,
    config: ModelConfig,
    stage: int = 3,
    provenance: dict[str, Any] | None = None,
    copies: int = 1,
) -> Autoencoder:
    """The model `kind` with fresh weights.

    copies: how many times the weights have to fit into the memory, as those of a training do.

    Raises:
        UserError: the memory is too small for that, or the model's sizes do not fit together.
    """
    weights = sum(parameter.numel() for parameter in outlined(kind, config, stage).parameters())
    what = f"a model of {weights / 1e6:.1f} M weights"
    limits.require_memory(4 * copies * weights, what, "choose smaller widths")
    return MODELS[kind](config, stage, provenance)


def _resolve(name: str, options: dict[str, Any]) -> Path:
    """The weights file that `name` means; `options` are those of `hf_hub_download` (revision, token ...).

    The hub is asked if the name looks like an id there, owner/name, and there is no folder `owner` here.
    """
    if name == "embedded":
        return EMBEDDED
    path = Path(name)
    with files.reading(name):
        if path.is_dir():
            stages = sorted(path.glob(f"stage*/{hub.WEIGHTS}"))
            if stages and not (path / hub.WEIGHTS).exists():
                raise UserError(
                    f"{printable(name)}: the folder of a run; give a stage of it, {stages[-1].parent}"
                )
            return path / hub.WEIGHTS
        if path.exists() or path.suffix == ".safetensors":
            return path
        elsewhere = hub.ID.fullmatch(name) and not path.parent.exists()
    if not elsewhere:
        raise UserError(f"{printable(name)}: no such file; give {SOURCES}")
    return hub.download(name, f"give {SOURCES}", **options)
