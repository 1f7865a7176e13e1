"""Training: one trainer for every model and stage, on Accelerate.

What a step does is a pure function of (seed, stage, step): the clips, the noise and the dropped codes
are drawn from generators seeded with them. So a run that is resumed, or that is spread over another
number of processes, repeats the run that it continues.
"""

import json
import math
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import ProjectConfiguration
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from msdae import checkpoint, config
from msdae.codecs import Codec
from msdae.data import Batch, Clips
from msdae.data.parts import cores
from msdae.data.views import ViewConfig, Views
from msdae.diffusion import samplers
from msdae.errors import UserError
from msdae.models.autoencoder import Autoencoder, Contrast
from msdae.models.config import ModelConfig
from msdae.models.registry import MODELS

Item = TypeVar("Item")
LOG = "log.jsonl"
SIGMA_EDGES = (0.1, 0.3, 1.0, 3.0)  # of the bins in which the loss is reported
_FULL = StateDictOptions(full_state_dict=True, cpu_offload=True)


@dataclass(frozen=True)
class Schedule:
    """How weights are stepped.

    decay: share of the steps, at the end, over which the learning rate falls to zero.
    clip: longest gradient. ema: decay of the averaged weights.
    """

    learning_rate: float = 1e-3
    warmup: int = 200
    decay: float = 0.3
    clip: float = 1.0
    ema: float = 0.999
    seed: int = 0

    def rate(self, step: int, steps: int) -> float:
        """Learning rate at `step` of `steps`: linear warm-up, constant, linear decay to zero."""
        up = min(1.0, (step + 1) / max(1, self.warmup))
        down = min(1.0, (steps - step) / max(1.0, self.decay * steps))
        return self.learning_rate * min(up, down)


@dataclass(frozen=True)
class TrainConfig(Schedule):
    """How a stage is trained; `model` says what.

    views: what the encoders see of a clip. contrast: weight of the contrastive loss of the stage's level; its
        negatives are the clips that one process has at once.
    pretrain: steps of `pretrain_batch` clips by which the encoder of a pooled level is trained first, by its
        contrastive loss alone: it needs more negatives and more clips than the denoiser has time for.
    steps: of each stage. batch_size: over all processes and accumulated parts.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    views: ViewConfig = field(default_factory=ViewConfig)
    contrast: float = 0.2
    pretrain: int = 300
    pretrain_batch: int = 256
    steps: tuple[int, ...] = (1000, 400, 9000)
    batch_size: int = 32
    accumulation: int = 1
    log_every: int = 50
    validate_every: int = 500
    validation_batches: int = 8
    save_every: int = 250
    audio_every: int = 2000
    mixed_precision: str = "auto"  # auto: bf16 where the device has it
    compile: bool = False
    trackers: tuple[str, ...] = ("tensorboard", "wandb")  # those that are installed are used


@dataclass(frozen=True)
class Draws:
    """The random numbers of one step's share of the batch, independent of how the batch is shared."""

    normal: torch.Tensor
    noise: torch.Tensor
    drop: torch.Tensor

    @staticmethod
    def of(seed: tuple[int, ...], batch: int, shape: tuple[int, int], levels: int, dropout: float) -> "Draws":
        """Draws of a global batch. seed: any integers, e.g. (seed, stage, step)"""
        generator = torch.Generator().manual_seed(mix_seed(seed))
        return Draws(
            torch.randn(batch, generator=generator),
            torch.randn(batch, *shape, generator=generator),
            torch.rand(batch, levels, generator=generator) < dropout,
        )

    def part(self, start: int, stop: int) -> "Draws":
        return Draws(self.normal[start:stop], self.noise[start:stop], self.drop[start:stop])

    def to(self, device: torch.device) -> "Draws":
        return Draws(self.normal.to(device), self.noise.to(device), self.drop.to(device))


class EMA:
    """Exponential moving average of a model's trainable parameters, with warm-up of the decay."""

    def __init__(self, model: torch.nn.Module, decay: float):
        self.decay = decay
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.averages = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After optimizer step number `step`, from 0: early on, follow closely."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.averages, [p.detach() for p in self.parameters], 1 - decay)

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """The model has the averages inside the block and its own parameters after it."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the model's parameters and the averages."""
        for parameter, average in zip(self.parameters, self.averages, strict=True):
            held = parameter.detach().clone()
            parameter.copy_(average)
            average.copy_(held)


class Trainer:
    """Trains one stage of one run; call `run`.

    Args:
        model: of the stage, on any device; its stage decides what is trained.
        codec: for the audio that is logged.
        train, valid: clip caches, or shards for streaming.
        folder: of the stage: state, log and the finished model go there.
        provenance: what else the finished model's header should say of its making.
        alone: train the stage's encoder by its contrastive loss alone, without the denoiser.
    """

    def __init__(
        self,
        settings: TrainConfig,
        model: Autoencoder,
        codec: Codec,
        train: Clips,
        valid: Clips,
        folder: str | Path,
        provenance: dict[str, Any],
        alone: bool = False,
    ):
        if not settings.views.plain:
            train, valid = Views(train, settings.views), Views(valid, settings.views)
        self.settings, self.codec, self.train, self.valid = settings, codec, train, valid
        self.folder, self.provenance, self.alone = Path(folder), provenance, alone
        self.stage = model.stage
        self.steps = settings.steps[self.stage - 1]
        self.accelerator = _accelerator(settings, self.folder)
        self.share = settings.batch_size // self.accelerator.num_processes
        parts = self.accelerator.num_processes * settings.accumulation
        if settings.batch_size % parts:
            raise UserError(f"batch_size {settings.batch_size} is not divisible into {parts} equal parts")
        trained = model.freeze([model.encoders[-1]] if alone else None)
        if settings.compile:
            model.compile()
        self.bare = model
        optimizer = torch.optim.Adam(trained, lr=settings.learning_rate, fused=True)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.ema = EMA(self.model, settings.ema)
        self.step = 0

    # -- the loop

    def run(self) -> bool:
        """Train to the end of the stage, continuing a saved state.

        Returns:
            True when the stage is complete, False when a signal stopped it (the state is saved).

        Raises:
            UserError: the loss is not finite; names step and clips, the state before the step is saved.
        """
        self._resume()
        if self.step >= self.steps:
            self._say(
                f"stage {self.stage} is complete ({self.step} steps): {self.folder / 'model.safetensors'}"
            )
            return True
        what = "encoder alone, " if self.alone else ""
        self._say(f"stage {self.stage}: {what}step {self.step} of {self.steps}, {_describe(self.bare)}")
        self.launcher = os.getppid() if "ACCELERATE_MIXED_PRECISION" in os.environ else None
        with noted_signals() as self.signals:
            self._init_trackers()
            self._loop()
            if not self.alone:  # the stage itself follows
                self.accelerator.end_training()
        if self.step < self.steps:
            self._say(f"stopped at step {self.step}; the state is saved, the same command continues")
            return False
        self._say(f"stage {self.stage} is complete: {self.folder / 'model.safetensors'}")
        return True

    def _loop(self) -> None:
        s = self.settings
        meter = _Meter()
        for batch in prefetch(self._batches(self.train, s.seed, self.step)):
            started = time.perf_counter()
            losses, sigmas, norm, contrasts = self._train_step(batch)
            self.step += 1
            meter.add(losses, sigmas, norm, time.perf_counter() - started, contrasts)
            stopping = self._agree_to_stop()
            ended = self.step == self.steps or stopping
            if self.step % s.log_every == 0 or ended:
                self._log(meter.summary(self.accelerator) | {"lr": s.rate(self.step - 1, self.steps)})
                meter = _Meter()
            if self.step % s.validate_every == 0 or self.step == self.steps:
                self._log(self.validate())
            if self.step % s.audio_every == 0 and not self.alone:
                self._log_audio()
            if self.step == self.steps:
                self._save_model()  # before the state: a state of the last step means that the model is there
            if self.step % s.save_every == 0 or ended:
                self._save_state("state")
            if ended:
                return

    def _batches(self, clips: Clips, seed: int, start: int = 0) -> Iterator[Batch]:
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        return clips.batches(self.settings.batch_size, seed=seed, start=start, rank=rank, world=world)

    def _train_step(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """One optimizer step on this process's share: its losses, noise levels, gradient norm and contrastive
        losses."""
        s, accelerator = self.settings, self.accelerator
        draws = self._draws((s.seed, self.stage, self.step), batch, self.bare.config.dropout)
        for group in self.optimizer.param_groups:
            group["lr"] = s.rate(self.step, self.steps)
        micro = self.share // s.accumulation
        all_losses, all_sigmas, all_contrasts, norm = [], [], [], torch.zeros(())
        self.model.train()
        for start in range(0, self.share, micro):
            part = slice(start, start + micro)
            with accelerator.accumulate(self.model):
                losses, sigmas, contrasts = self._losses(batch, draws, part)
                self._require_finite(losses, batch)
                accelerator.backward(losses.mean())
                if accelerator.sync_gradients:
                    norm = accelerator.clip_grad_norm_(self.ema.parameters, s.clip)
                self.optimizer.step()
                self.optimizer.zero_grad()
            all_losses.append((losses - self.settings.contrast * contrasts).detach())
            all_sigmas.append(sigmas)
            all_contrasts.append(contrasts.detach())
        self.ema.update(self.step)
        return torch.cat(all_losses), torch.cat(all_sigmas), torch.as_tensor(norm), torch.cat(all_contrasts)

    def _losses(
        self, batch: Batch, draws: Draws, part: slice
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        device = self.accelerator.device
        there = lambda x: x[part].to(device, non_blocking=True)  # noqa: E731
        share = draws.part(part.start, part.stop).to(device)
        timbre, content = there(batch.timbre), there(batch.content)
        mel = [timbre if pooled else content for pooled in self.bare.pooled] if self.bare.needs_mel else None
        contrast = None
        if self.settings.contrast:
            own, other = there(batch.sound), there(batch.content_sound)
            same = own[:, None] == torch.cat([own, other])[None]
            contrast = Contrast(there(batch.mel), content, same, self.settings.contrast, self.alone)
        return self.model(there(batch.z), mel, share.normal, share.noise, share.drop, contrast)

    def _draws(self, seed: tuple[int, ...], batch: Batch, dropout: float) -> Draws:
        """This process's share of the draws of the global batch that `batch` is a share of."""
        first = self.accelerator.process_index * len(batch.z)
        size = self.accelerator.num_processes * len(batch.z)
        draws = Draws.of(seed, size, tuple(batch.z.shape[1:]), self.bare.stage, dropout)
        return draws.part(first, first + len(batch.z))

    def _require_finite(self, losses: torch.Tensor, batch: Batch) -> None:
        bad = ~torch.isfinite(losses.detach())
        anywhere = self.accelerator.reduce(bad.any().float(), "sum")
        if anywhere == 0:
            return
        self._save_state("failed")
        names = ", ".join(batch.names)
        raise UserError(
            f"{self.folder}: the loss is not finite at step {self.step} (clips: {names}); the state before "
            f"it is in {self.folder / 'failed.safetensors'}. Lower learning_rate or look at these clips."
        )

    # -- validation and logs

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Loss on validation clips with the averaged weights; the same clips and noise every time."""
        meter = _Meter()
        self.model.eval()
        batches = self._batches(self.valid, seed=0)
        with self.ema.swapped_in():
            for index in range(self.settings.validation_batches):
                batch = next(batches)
                draws = self._draws((0, 0, index), batch, dropout=0.0)
                losses, sigmas, contrasts = self._losses(batch, draws, slice(0, len(batch.z)))
                meter.add(losses - self.settings.contrast * contrasts, sigmas, contrasts=contrasts)
        return {f"valid/{key}": value for key, value in meter.summary(self.accelerator).items()}

    @torch.no_grad()
    def _log_audio(self) -> None:
        """Reconstructions of two validation clips and the swap of their first levels, to TensorBoard."""
        writers = [t.writer for t in self.accelerator.trackers if t.name == "tensorboard"]
        if not writers:
            return
        batch, device = next(self.valid.batches(2)), self.accelerator.device
        self.model.eval()
        with self.ema.swapped_in():
            codes = self.bare.encode(batch.z.to(device), batch.mel.to(device))
            other = [code.flip(0) for code in codes]
            swapped = self.bare.mix(codes, other, [1.0] + [0.0] * (self.stage - 1))
            noise = Draws.of((0,), 2, tuple(batch.z.shape[1:]), self.stage, 0.0).noise.to(device)
            for name, held in (("reconstruction", codes), ("swap of level 1", swapped)):
                edm = self.bare.edm
                z = samplers.sample(
                    self.bare.denoiser(held), noise, sigma_min=edm.sigma_min, sigma_max=edm.sigma_max
                )
                for index, wave in enumerate(self.codec.decode(z.cpu())):
                    wave = wave / wave.abs().max().clamp_min(1)  # TensorBoard would clip it
                    writers[0].add_audio(f"{name}/{index}", wave[None], self.step, self.codec.sample_rate)

    def _log(self, values: dict[str, float]) -> None:
        self.accelerator.log(values, step=self.step)
        if self.accelerator.is_main_process:
            with open(self.folder / LOG, "a") as file:
                file.write(json.dumps({"step": self.step, **values}) + "\n")
        short = "  ".join(f"{k} {v:.4g}" for k, v in values.items() if "sigma" not in k)
        self._say(f"step {self.step}/{self.steps}  {short}")

    def _init_trackers(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        flat = {"stage": self.stage, "config": json.dumps(config.to_mapping(self.settings))}
        self.accelerator.init_trackers("msdae", config=flat)

    def _say(self, text: str) -> None:
        self.accelerator.print(text, flush=True)

    # -- stopping and resuming

    def _agree_to_stop(self) -> bool:
        """Whether any process was told to stop, or lost the launcher that would have told it."""
        orphaned = self.launcher is not None and os.getppid() != self.launcher
        told = torch.tensor(float(bool(self.signals) or orphaned), device=self.accelerator.device)
        return bool(self.accelerator.reduce(told, "sum") > 0)

    def _save_state(self, name: str) -> None:
        model = get_model_state_dict(self.model, options=_FULL)
        optimizer = get_optimizer_state_dict(self.model, self.optimizer.optimizer, options=_FULL)
        averaged = self._averaged()
        if self.accelerator.is_main_process:
            tensors = {f"model.{key}": value for key, value in model.items()}
            tensors |= {f"ema.{key}": value for key, value in averaged.items()}
            for parameter, values in optimizer["state"].items():
                tensors |= {f"optimizer.{name}.{parameter}": value for name, value in values.items()}
            header = {"stage": self.stage, "step": self.step, "config": config.to_mapping(self.settings)}
            checkpoint.save(self.folder / f"{name}.safetensors", "training state", tensors, header)
        self.accelerator.wait_for_everyone()

    def _averaged(self) -> dict[str, torch.Tensor]:
        """The model's state with the averaged weights; copies, because the weights are swapped back."""
        with self.ema.swapped_in():
            state = get_model_state_dict(self.model, options=_FULL)
            return {key: value.clone() for key, value in state.items()}

    def _resume(self) -> None:
        path = self.folder / "state.safetensors"
        if not path.exists():
            return
        tensors, header = checkpoint.load(path, "training state")
        self._require_same(header["config"], path)
        self.step = header["step"]
        part = lambda prefix: {  # noqa: E731
            key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)
        }
        moments: dict[str, dict[str, torch.Tensor]] = {}
        for key, value in part("optimizer.").items():
            name, parameter = key.split(".", 1)
            # the fused Adam walks through memory: moments need the layout of the weights, which a file loses
            layout = torch.channels_last if value.ndim == 4 else torch.contiguous_format
            moments.setdefault(parameter, {})[name] = value.contiguous(memory_format=layout)
        set_model_state_dict(self.model, part("ema."), options=_FULL)
        self.ema.averages = [p.detach().clone() for p in self.ema.parameters]
        set_model_state_dict(self.model, part("model."), options=_FULL)
        whole = StateDictOptions(full_state_dict=True)
        fresh = get_optimizer_state_dict(self.model, self.optimizer.optimizer, options=whole)
        set_optimizer_state_dict(
            self.model, self.optimizer.optimizer, {**fresh, "state": moments}, options=whole
        )
        if self.accelerator.is_main_process:
            trim_log(self.folder, lambda line: line["step"] <= self.step)

    def _require_same(self, saved: dict[str, Any], path: Path) -> None:
        """Another model, seed or batch would not continue the saved run but start a different one."""
        before = config.from_mapping(TrainConfig, saved, str(path))
        for key in ("model", "views", "contrast", "seed", "batch_size"):
            if getattr(before, key) != getattr(self.settings, key):
                raise UserError(
                    f"{path}: saved with another '{key}' than this run has; "
                    f"continue with the same settings, or choose another folder with --run"
                )

    def _save_model(self) -> None:
        averaged = self._averaged()
        if self.accelerator.is_main_process:
            model = MODELS[self.bare.kind](self.bare.config, self.stage)
            model.load_state_dict(averaged)
            model.provenance = {
                **self.provenance,
                "steps": [*self.provenance.get("steps", []), self.steps],
                "training": {k: v for k, v in config.to_mapping(self.settings).items() if k != "model"},
            }
            model.save(self.folder / "model.safetensors")
        self.accelerator.wait_for_everyone()


class _Meter:
    """Means over clips of the loss, in all and by noise level, and clips per second."""

    def __init__(self) -> None:
        bins = len(SIGMA_EDGES) + 1
        self.sums, self.counts = torch.zeros(bins), torch.zeros(bins)
        self.norms: list[torch.Tensor] = []
        self.contrasts: list[torch.Tensor] = []
        self.seconds = 0.0

    def add(
        self,
        losses: torch.Tensor,
        sigmas: torch.Tensor,
        norm: torch.Tensor | None = None,
        seconds: float = 0.0,
        contrasts: torch.Tensor | None = None,
    ) -> None:
        index = torch.bucketize(sigmas.detach(), torch.tensor(SIGMA_EDGES, device=sigmas.device)).cpu()
        self.sums.index_add_(0, index, losses.detach().float().cpu())
        self.counts.index_add_(0, index, torch.ones(len(index)))
        if norm is not None:
            self.norms.append(norm.detach().float().cpu())
        if contrasts is not None and contrasts.any():
            self.contrasts.append(contrasts.detach().float().mean().cpu())
        self.seconds += seconds

    def summary(self, accelerator: Accelerator) -> dict[str, float]:
        held = torch.stack([self.sums, self.counts]).to(accelerator.device)
        sums, counts = accelerator.reduce(held, "sum").cpu()
        values = {"loss": (sums.sum() / counts.sum()).item()}
        edges = (0.0, *SIGMA_EDGES, math.inf)
        for low, high, total, count in zip(edges[:-1], edges[1:], sums, counts, strict=True):
            if count > 0:
                values[f"loss, sigma {low:g} to {high:g}"] = (total / count).item()
        if self.contrasts:
            values["contrast"] = torch.stack(self.contrasts).mean().item()
        if self.norms:
            values["gradient norm"] = torch.stack(self.norms).mean().item()
        if self.seconds:
            values["clips/s"] = counts.sum().item() / self.seconds
        return values


def trim_log(folder: Path, kept: Callable[[dict[str, Any]], bool]) -> None:
    """Take from a run's log the lines of steps that will be done again."""
    path = folder / LOG
    if path.exists():
        lines = [line for line in path.read_text().splitlines() if kept(json.loads(line))]
        with checkpoint.atomic(path) as temporary:
            temporary.write_text("".join(line + "\n" for line in lines))


@contextmanager
def noted_signals() -> Iterator[list[int]]:
    """SIGTERM and Ctrl-C only add to a list inside the block: a loop may end after the step under way."""
    noted: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda n, _: noted.append(n)) for number in numbers}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def prefetch(items: Iterable[Item]) -> Iterator[Item]:
    """The same items, each made while the one before is in use."""
    made = iter(items)
    with ThreadPoolExecutor(1) as reader:
        upcoming = reader.submit(next, made, None)
        while (item := upcoming.result()) is not None:
            upcoming = reader.submit(next, made, None)
            yield item


def process_state() -> PartialState:
    """This process among those of the run. Several on a machine without an accelerator talk by gloo."""
    state = PartialState(cpu="LOCAL_RANK" in os.environ and not torch.accelerator.is_available())
    if state.device.type == "cpu":
        torch.set_num_threads(cores())  # accelerate launch leaves a process one thread
    return state


def _accelerator(settings: TrainConfig, folder: Path) -> Accelerator:
    process_state()  # the first to be made decides for the process
    precision = settings.mixed_precision
    if precision == "auto":
        precision = "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "no"
    return Accelerator(
        mixed_precision=precision,
        gradient_accumulation_steps=settings.accumulation,
        log_with=[tracker for tracker in settings.trackers if find_spec(tracker)] or None,
        project_config=ProjectConfiguration(str(folder), logging_dir=str(folder / "logs")),
    )


def mix_seed(values: tuple[int, ...]) -> int:
    """A well-spread 63-bit seed from integers."""
    digest = checkpoint.fingerprint({}, {"seed": list(values)})
    return int(digest[:15], 16)


def _describe(model: Autoencoder) -> str:
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    total = sum(p.numel() for p in model.parameters())
    return f"{type(model).__name__} of {total / 1e6:.1f} M parameters, {trained / 1e6:.1f} M trained"
