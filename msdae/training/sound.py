"""The task of learning one sound: an adapter of a model's denoiser, trained on excerpts of the sound."""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn as nn

from msdae import checkpoint, files
from msdae.audio.mel import LogMel
from msdae.audio.windows import Source
from msdae.codecs.base import Codec
from msdae.config import to_mapping
from msdae.data.cache import Batch
from msdae.data.draws import Draws
from msdae.data.excerpts import TOGETHER, ExcerptConfig, Excerpts, excerpts
from msdae.errors import UserError, printable
from msdae.limits import COUNT, FRACTION, LEARNING, LEARNING_SECONDS, NOT_NEGATIVE, Range
from msdae.locks import only_process
from msdae.models.adapter import Adapter
from msdae.models.autoencoder import Autoencoder
from msdae.nn.tokens import Tokens, gathered
from msdae.progress import Progress, silent
from msdae.training import state, steps
from msdae.training.log import LOG, VALIDATION_LOSS
from msdae.training.loop import Loop
from msdae.training.processes import accelerator, process_state
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

PRODUCT, PLAN, KIND = "adapter.safetensors", "plan.json", "adapter"
PACE = 3  # steps that are timed, to know how many fit into the seconds
FEWEST = 10  # steps, however short the time


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
    most: Count = 80
    steps: Annotated[int, COUNT] | None = None
    rank: Annotated[int, Range(1, 24, reason="the file would be larger than 2 MB")] = 16
    share: Share = 0.6
    patience: Annotated[int, NOT_NEGATIVE] = 3
    excerpts: ExcerptConfig = field(default_factory=ExcerptConfig)
    learning_rate: Rate = 3e-3
    warmup: StepsOrNone = 10
    decay: Share = 0.5
    betas: Betas = (0.9, 0.99)
    ema: Annotated[float, FRACTION] = 0.9
    batch_size: Count = 16
    log_every: Steps = 25
    validate_every: Steps = 25
    validation_batches: StepsOrNone = 2
    save_every: Steps = 25
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

    def finish(self, folder: Path) -> None:
        """Write adapter.safetensors."""
        checkpoint.save(folder / PRODUCT, KIND, self.networks["sound"].kept().tensors(), {})

    def pace(self, folder: Path) -> float:
        """Seconds that a step takes, in the precision that the training in `folder` will have."""
        trained, precision = list(self.networks["sound"].parameters()), accelerator(self.config, folder)
        device = trained[0].device
        first = int(device.type != "cpu")  # an accelerator's first step loads what it computes with
        for number, batch in enumerate(islice(self.batches(0, 0, 0, 1), first + PACE)):
            if number == first:
                start = _finished(device)
            draws = Draws((0,), steps.size(batch), device=device)
            with precision.autocast():
                loss = sum(self.losses(steps.to(batch, device), draws).values()).mean()
            torch.autograd.grad(loss, trained)
        return (_finished(device) - start) / PACE


def _finished(device: torch.device) -> float:
    """The time in seconds at which the device has done all that it was asked for."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter()


def learn(
    model: Autoencoder,
    codec: Codec,
    sources: Sequence[Source],
    config: LearnConfig,
    folder: str | Path,
    progress: Progress = silent,
) -> Lesson:
    """Learn the sound of recordings, which are at the codec's rate; the model stays as it is.

    folder: where the state is kept. The same call goes on from there after it was stopped; the state of
        another call is replaced.

    Raises:
        UserError: silence, a folder in use or of another training, a loss that is not finite, a model without
            a pooled level 1, a process that has trained on another device, or that others were launched with.
        KeyboardInterrupt: a signal stopped it; the state is saved.
    """
    if not (model.needs_mel and model.pooled[0]):
        raise UserError("this model's level 1 is no average over time: it cannot learn a sound; take another")
    folder, begin, device = Path(folder), time.perf_counter(), next(model.parameters()).device
    process = process_state(device)
    if process.num_processes > 1:
        raise UserError("a sound is learnt by one process; start it without accelerate launch or torchrun")
    if process.device.type != device.type:
        raise UserError(f"this process has trained on another device than the model's, {device}; start anew")
    log_mel = LogMel(model.config.mel).to(device)
    with only_process(folder), _frozen(model):
        train, valid = excerpts(sources, codec, log_mel, config.excerpts, config.seed, progress)
        task = SoundTask(model, train, valid, config)
        loop = Loop(task, config, _total(task, folder, begin), folder, progress)
        if valid and not loop.log.history(VALIDATION_LOSS):
            loop.log.write(0, loop.validate())
        if not loop.run():
            raise KeyboardInterrupt
        tensors, _ = checkpoint.load(folder / PRODUCT, KIND)
        held_out = loop.log.history(VALIDATION_LOSS)
        before_and_after = (*held_out[:1], *held_out[1:][-1:])
        code, tokens = _code(model, train.timbre), _tokens(model, train.timbre)
        return Lesson(Adapter(tensors), code, loop.step, before_and_after, tokens, train.seconds)


def _total(task: SoundTask, folder: Path, begin: float) -> int:
    """How many steps this learning takes, as was decided when it began; the state of another one is removed.

    Raises:
        UserError: the folder holds files that are not from learning a sound.
    """
    config, plan = task.config, folder / PLAN
    key = checkpoint.fingerprint({}, {**task.same(), **to_mapping(config)})
    if plan.exists() and (known := files.read_json(plan)).get("key") == key:
        with files.reading(plan, "delete its folder"):
            return int(known["steps"])
    before = [folder / name for name in (PRODUCT, LOG, state.FILE, "failed.safetensors")]
    if not plan.exists() and (others := [path for path in before if path.exists()]):
        raise UserError(f"{printable(others[0])}: of another training, and stays; choose another folder")
    for path in (*before, plan):
        path.unlink(missing_ok=True)
    left = config.seconds - (time.perf_counter() - begin)
    total = config.steps or max(FEWEST, min(config.most, int(left / task.pace(folder))))
    with files.atomic(plan) as temporary:
        temporary.write_text(json.dumps({"key": key, "steps": total}))
    return total


@torch.no_grad()
def _code(model: Autoencoder, mel: torch.Tensor) -> torch.Tensor:
    """The code of level 1, averaged over excerpts: x3 (excerpts, bands, mel frames) -> (1, channels, 1)"""
    device = next(model.parameters()).device
    codes = [model.encode_level(0, part.float().to(device)) for part in mel.split(TOGETHER)]
    return torch.cat(codes).mean(dim=0, keepdim=True).cpu()


@torch.no_grad()
def _tokens(model: Autoencoder, mel: torch.Tensor) -> Tokens | None:
    """The tokens of excerpts: x3 (excerpts, bands, mel frames)"""
    device = next(model.parameters()).device
    encoded = [model.encode_tokens(part.float().to(device)) for part in mel.split(TOGETHER)]
    if None in encoded:
        return None
    values, loudness = (torch.cat(parts).cpu() for parts in zip(*encoded, strict=True))
    return gathered(values, loudness, model.config.most_tokens)


@contextmanager
def _frozen(model: Autoencoder) -> Iterator[None]:
    """The model's weights take no gradients inside the block; it evaluates after it."""
    needed = [parameter.requires_grad for parameter in model.parameters()]
    model.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, grad in zip(model.parameters(), needed, strict=True):
            parameter.requires_grad_(grad)
        model.eval()
