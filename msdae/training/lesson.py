"""What is trained when a sound is learnt: an adapter of a model's denoiser, on excerpts of the sound."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn as nn
from torch.optim.adam import adam

from msdae import checkpoint
from msdae.audio.mel import LogMel
from msdae.audio.windows import Source
from msdae.codecs.base import Codec
from msdae.data.cache import Batch
from msdae.data.draws import Draws
from msdae.data.excerpts import TOGETHER, ExcerptConfig, Excerpts, excerpts
from msdae.limits import COUNT, FRACTION, LEARNING, LEARNING_SECONDS, NOT_NEGATIVE, Range
from msdae.models.adapter import Adapter
from msdae.models.autoencoder import Autoencoder
from msdae.nn.device import is_faster_in_bf16, one_thread
from msdae.nn.tokens import Tokens, gathered
from msdae.progress import Progress, silent
from msdae.training import steps
from msdae.training.task import (
    Betas,
    Count,
    Losses,
    Rate,
    Schedule,
    Share,
    Steps,
    StepsOrNone,
    Task,
    Trackers,
    settled,
)

PRODUCT, KIND = "adapter.safetensors", "adapter"


@dataclass(frozen=True)
class LearnConfig(Schedule):
    """How a sound is learnt.

    seconds: about how long learning takes at most. It may end earlier: `most` steps are enough for a sound,
        and with more of them notes are lost.
    steps: how many steps to take, in place of as many as there are seconds for.
    rank: rank of the adapter.
    share: share of the learnt change that is kept: with less of it the model follows the sound nearly as well
        and keeps more notes (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
    patience: learning ends after so many validations without a better one. There are validations only if the
        recordings are long enough for their ends to be held out.
    excerpts: which excerpts are made of the recordings.
    """

    seconds: Annotated[float, LEARNING] = LEARNING_SECONDS
    most: Count = 20
    steps: Annotated[int, COUNT] | None = None
    rank: Annotated[int, Range(1, 24, reason="the file would be larger than 2 MB")] = 16
    share: Share = 0.8
    patience: Annotated[int, NOT_NEGATIVE] = 3
    excerpts: ExcerptConfig = field(default_factory=ExcerptConfig)
    learning_rate: Rate = 3e-3
    warmup: StepsOrNone = 3
    decay: Share = 1.0
    betas: Betas = (0.9, 0.99)
    ema: Annotated[float, FRACTION] = 0.0
    batch_size: Count = 8
    log_every: Steps = 5
    validate_every: Steps = 5
    validation_batches: StepsOrNone = 2
    save_every: Steps = 10
    audio_every: Steps = 10**6
    trackers: Trackers = ()


@dataclass(frozen=True)
class Lesson:
    """What was learnt of a sound.

    adapter: the changes to the denoiser. code: the code of level 1, (1, channels, 1). steps: those taken.
    held_out: EDM's loss on held-out excerpts before and after; empty if there were none.
    tokens: the tokens of level 1, if the model has any. seconds: how much can be heard of the recordings.
    """

    adapter: Adapter
    code: torch.Tensor
    steps: int
    held_out: tuple[float, ...] = ()
    tokens: Tokens | None = None
    seconds: float = 0.0


class _Adapted(nn.Module):
    """The adapter as a network whose `forward` is the model's loss. The model is no submodule of it.

    share: share of the adapter that is kept; held-out excerpts are denoised with this share of it.
    """

    def __init__(self, model: Autoencoder, adapter: Adapter, share: float):
        super().__init__()
        self.adapter, self.share, self._model = adapter, share, [model]

    def forward(self, batch: Batch, draws: Draws) -> Losses:
        model = self._model[0].train(self.training)
        adapter = self.adapter if self.training else self.kept()
        with adapter.applied(model.unet):
            return model.losses(batch, draws)

    def kept(self) -> Adapter:
        """What is left of the adapter when it is learnt."""
        return Adapter.sum([self.adapter], [self.share])


class SoundTask(Task):
    """Trains an adapter of `model` on excerpts of one sound.

    train: excerpts to learn from. valid: held-out ones, if there are any.
    """

    def __init__(self, model: Autoencoder, train: Excerpts, valid: Excerpts | None, config: LearnConfig):
        self.train, self.valid, self.config = train, valid, config
        self.name, self.stage = "learning", model.stage
        adapter = Adapter.fresh(model.unet, config.rank, torch.Generator().manual_seed(config.seed))
        self.networks: dict[str, nn.Module] = {"sound": _Adapted(model, adapter, config.share)}
        self.model = checkpoint.fingerprint(model.state_dict(), {})

    def batches(self, seed: int, start: int, rank: int, world: int) -> Iterator[Batch]:
        return self.train.batches(self.config.batch_size, seed, start, rank, world)

    def losses(self, batch: Batch, draws: Draws) -> Losses:
        return self.networks["sound"](batch, draws)

    def validation(self, rank: int, world: int) -> Iterable[Batch]:
        return self.valid.batches(self.config.batch_size, rank=rank, world=world) if self.valid else ()

    def enough(self, held_out: Sequence[float]) -> bool:
        """Whether none of the last `patience` validations was better than an earlier one."""
        return settled(held_out, self.config.patience)

    def same(self) -> dict[str, Any]:
        return {"model": self.model, "rank": self.config.rank, "excerpts": self.train.key}

    @property
    def kept(self) -> Adapter:
        """What is kept of the adapter when it is learnt."""
        return self.networks["sound"].kept()

    def finish(self, folder: Path) -> None:
        """Write adapter.safetensors."""
        checkpoint.save(folder / PRODUCT, KIND, self.kept.tensors(), {})


BRIEF = LearnConfig(steps=15, excerpts=ExcerptConfig(excerpts=48))


@torch.inference_mode(False)
@torch.enable_grad()
def briefly(
    model: Autoencoder,
    codec: Codec,
    source: Source,
    config: LearnConfig,
    progress: Progress = silent,
) -> Lesson:
    """Learn the sound of a recording in `config.steps` steps; any thread may, and no state is kept.

    source: at the codec's rate. progress: counts the steps.

    Raises:
        UserError: as `excerpts`.
    """
    device = next(model.parameters()).device
    model = copy.deepcopy(model).requires_grad_(False)  # other threads may use the model meanwhile
    train, _ = excerpts([source], codec, LogMel(model.config.mel).to(device), config.excerpts, config.seed)
    task = SoundTask(model, train, None, config)
    trained = list(task.networks["sound"].train().parameters())
    # as torch.optim.AdamW, which would take a second to start
    descend = partial(
        adam,
        exp_avgs=[torch.zeros_like(parameter) for parameter in trained],
        exp_avg_sqs=[torch.zeros_like(parameter) for parameter in trained],
        max_exp_avg_sqs=[],
        state_steps=[torch.zeros(()) for _ in trained],
        amsgrad=False,
        beta1=config.betas[0],
        beta2=config.betas[1],
        weight_decay=config.weight_decay,
        eps=1e-8,
        maximize=False,
    )
    bf16 = torch.autocast(device.type, torch.bfloat16, enabled=is_faster_in_bf16(device))
    batches = task.batches(config.seed, 0, 0, 1)
    with progress(total=config.steps, desc=task.name, unit="step") as bar, one_thread():
        for step in range(config.steps):
            batch = steps.to(next(batches), device)
            draws = Draws((config.seed, task.stage, step), config.batch_size, device=device)
            with bf16:
                loss = sum(task.losses(batch, draws).values()).mean()
            gradients = list(torch.autograd.grad(loss, trained))
            norm = nn.utils.get_total_norm(gradients)
            if not norm.isfinite():  # what was learnt so far is kept
                break
            torch._foreach_mul_(gradients, (config.clip / norm).clamp(max=1.0))
            with torch.no_grad():
                descend(trained, gradients, lr=config.rate(step, config.steps))
            bar.update()
    facts = config.steps, (), tokens(model, train.timbre), train.seconds
    return Lesson(task.kept.requires_grad_(False), code(model, train.timbre), *facts)


@torch.no_grad()
def code(model: Autoencoder, mel: torch.Tensor) -> torch.Tensor:
    """The code of level 1, averaged over excerpts: x3 (excerpts, bands, mel frames) -> (1, channels, 1)"""
    device = next(model.parameters()).device
    codes = [model.encode_level(0, part.float().to(device)) for part in mel.split(TOGETHER)]
    return torch.cat(codes).mean(dim=0, keepdim=True).cpu()


@torch.no_grad()
def tokens(model: Autoencoder, mel: torch.Tensor) -> Tokens | None:
    """The tokens of excerpts: x3 (excerpts, bands, mel frames)"""
    device = next(model.parameters()).device
    encoded = [model.encode_tokens(part.float().to(device)) for part in mel.split(TOGETHER)]
    if None in encoded:
        return None
    values, loudness = (torch.cat(parts).cpu() for parts in zip(*encoded, strict=True))
    return gathered(values, loudness, model.config.most_tokens)
