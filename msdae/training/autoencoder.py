"""The task of one stage of an autoencoder: to denoise, and to tell clips apart by the code of its level."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn as nn

from msdae import config
from msdae.codecs import Codec
from msdae.data import Batch, Clips, resident
from msdae.data.draws import Draws
from msdae.data.views import ViewConfig, Views
from msdae.errors import UserError, printable
from msdae.limits import Size
from msdae.models import hub
from msdae.models.autoencoder import Autoencoder
from msdae.models.config import ModelConfig
from msdae.training.task import Count, Losses, Schedule, Steps, StepsOrNone, Task, Weight, recorded

SIGMA_EDGES = (0.0, 0.1, 0.3, 1.0, 3.0, math.inf)  # of the bins in which the denoising loss is reported
COMPILED = 64  # compiled versions that a module may have: for each network, with and without gradients
LISTENED = 2  # validation clips that the audio log plays
Listen = Callable[[Autoencoder, Codec, Batch], dict[str, torch.Tensor]]  # waveforms (samples,) by name


@dataclass(frozen=True)
class TrainConfig(Schedule):
    """How the stages of an autoencoder are trained; `model` says what is trained.

    kind: name of the model in `MODELS`; None: the one that is asked for, by default MSDAE (see `kind_of`).
    model: sizes of the model.
    views: what the encoders see of a clip.
    contrast: weight of the contrastive loss of the stage's level. Its negatives are the clips that one
        process has at once.
    pretrain: steps in which the encoder of a pooled level is trained before the rest of its stage, by its
        contrastive loss alone and with `pretrain_batch` clips: it needs more negatives and more clips than
        the denoiser has time for.
    refine: steps in which the encoder of level 1 is trained first in the same way, when a stage goes on from
        a model that has been through it.
    frozen: whether all encoders stay as they are, so that codes keep their meaning: priors, probes and saved
        codes fit the new model, too. There is no contrastive loss then.
    steps: steps of each stage.
    coarse_codec: whether to train even on a codec that reconstructs worse than `msdae.codecs.check.LIMIT`.
    compile: whether to compile the networks, which takes a minute and makes an accelerator faster.
    """

    kind: str | None = None
    model: ModelConfig = field(default_factory=ModelConfig)
    views: ViewConfig = field(default_factory=ViewConfig)
    contrast: Weight = 0.2
    pretrain: StepsOrNone = 300
    refine: StepsOrNone = 0
    pretrain_batch: Count = 256
    frozen: bool = False
    steps: Annotated[tuple[Steps, ...], Size(1, 8)] = (1000, 400, 9000)
    coarse_codec: bool = False
    compile: bool = False

    def kind_of(self, asked: str | None = None) -> str:
        """The kind of model to train: `kind`, else `asked`, else MSDAE.

        Raises:
            UserError: `kind` and `asked` differ.
        """
        if self.kind and asked and self.kind != asked:
            raise UserError(
                f"kind: these settings are of the model {printable(self.kind)}, not of {asked}; leave out "
                "--model, or give another --config"
            )
        return self.kind or asked or "msdae"

    def for_encoder(self, steps: int) -> "TrainConfig":
        """The settings by which the encoder of a pooled level is trained before the rest of its stage."""
        return dataclasses.replace(
            self,
            steps=(steps,),
            batch_size=self.pretrain_batch,
            warmup=min(self.warmup, steps // 10),
            trackers=(),
        )


def require_contrast(model: type[Autoencoder] | Autoencoder, settings: TrainConfig) -> None:
    """Check that the model can be trained by the contrastive loss, if the settings have one.

    Raises:
        UserError: the model reads latents, which have no views to tell apart.
    """
    if settings.contrast and not model.needs_mel:
        raise UserError(
            f"contrast: {model.kind} reads latents, which have no views to be told apart; train it with "
            "--set contrast=0, as --config experiments/configs/hdae.yaml does"
        )


class AutoencoderTask(Task):
    """Trains one stage of an autoencoder, `model.stage`, on clips.

    Args:
        train, valid: clip caches, or shards for streaming.
        codec, listen: what makes the sounds of the audio log; without `listen` no sounds are logged.
        provenance: what else the header of the finished model's file should say of its making.
        contrast_only: whether to train the stage's encoder by its contrastive loss alone.
        start: fingerprint of the model that the stage starts from; None for random weights.

    Raises:
        UserError: contrast for a model that reads latents; views of shards.
    """

    def __init__(
        self,
        model: Autoencoder,
        settings: TrainConfig,
        train: Clips,
        valid: Clips,
        codec: Codec,
        listen: Listen | None = None,
        provenance: dict[str, Any] | None = None,
        contrast_only: bool = False,
        start: str | None = None,
    ):
        require_contrast(model, settings)
        self.data = data_keys(train)
        if not settings.views.plain:
            train, valid = Views(train, settings.views), Views(valid, settings.views)
        self.model, self.settings, self.train, self.valid = model, settings, train, valid
        self.codec, self.listen, self.provenance = codec, listen, provenance or {}
        self.contrast_only, self.start = contrast_only, start
        self.stage, self.sample_rate = model.stage, codec.sample_rate
        stage = 1 if model.joint else model.stage  # as it is asked for; a joint model has all levels in it
        self.name = f"encoder {stage} alone" if contrast_only else f"stage {stage}"
        self.batch_setting = "pretrain_batch" if contrast_only else "batch_size"
        self.contrast = 0.0 if settings.frozen else settings.contrast
        model.freeze(
            [model.encoders[-1]] if contrast_only else model.denoising() if settings.frozen else None
        )
        if settings.compile:
            torch._dynamo.config.recompile_limit = COMPILED
            torch._dynamo.config.suppress_errors = True  # what does not compile, computes as it is
            for module in model.compiled():
                module.compile(dynamic=False)
        self.networks: dict[str, nn.Module] = {"model": model}

    def place(self, device: torch.device) -> bool:
        sets = [clips.clips if isinstance(clips, Views) else clips for clips in (self.train, self.valid)]
        if not resident.fits(sets, device):
            return False
        placed = [resident.ResidentClips(clips, device) for clips in sets]
        views = self.settings.views
        self.train, self.valid = placed if views.plain else [Views(clips, views) for clips in placed]
        return True

    def batches(self, seed: int, start: int, rank: int, world: int) -> Iterator[Batch]:
        return self.train.batches(self.settings.batch_size, seed=seed, start=start, rank=rank, world=world)

    def example(self, clips: int) -> Batch:
        return next(self.train.batches(clips))

    def validation(self, rank: int, world: int) -> Iterable[Batch]:
        return self.valid.batches(self.settings.batch_size, rank=rank, world=world)

    def losses(self, batch: Batch, draws: Draws) -> Losses:
        terms = self.networks["model"](batch, draws, contrast=self.contrast, contrast_only=self.contrast_only)
        if self.contrast_only and not torch.is_grad_enabled():
            # a clip that has no other sound to be told from has a loss of 0, which is no measurement
            terms["contrast"] = terms["contrast"].where(terms["contrast"] > 0, math.nan)
        return terms

    def details(self, terms: Losses, draws: Draws) -> Losses:
        """The denoising loss in bins of the noise level, which is the first thing that `draws` gives."""
        if "denoising" not in terms:
            return {}
        sigma, loss = self.model.edm.sigmas(draws.normal()), terms["denoising"]
        return {
            f"loss, sigma {low:g} to {high:g}": torch.where((sigma > low) & (sigma <= high), loss, math.nan)
            for low, high in pairwise(SIGMA_EDGES)
        }

    def sounds(self) -> dict[str, torch.Tensor]:
        if self.listen is None or self.contrast_only:
            return {}
        return self.listen(self.networks["model"], self.codec, next(iter(self.valid.batches(LISTENED))))

    def same(self) -> dict[str, Any]:
        s = self.settings
        codec = dataclasses.replace(s.model.codec, path="")  # its fingerprint says which; a file may be moved
        return {
            "kind": self.model.kind,
            "model": config.to_mapping(dataclasses.replace(s.model, codec=codec)),
            "views": config.to_mapping(s.views),
            "contrast": s.contrast,
            "data": self.data,
            "from": self.start,
            **({"frozen": True} if s.frozen else {}),
        }

    def finish(self, folder: Path) -> None:
        """Write model.safetensors."""
        model = self.networks["model"]
        model.provenance = {**self.provenance, "training": recorded(self.settings)}
        model.save(folder / hub.WEIGHTS)


def data_keys(clips: Clips) -> list[str]:
    """The keys of the caches of `clips`: hashes of what each was made from."""
    return [part.manifest["key"] for part in getattr(clips, "caches", [clips])]
