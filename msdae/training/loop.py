"""The training loop: one for every network that this package trains, on Accelerate.

What a step does is a pure function of (seed, stage, step): the clips, the noise and the dropped codes are
drawn from generators that are seeded with them. A run that is resumed, or spread over another number of
processes, therefore repeats the original run. Only three things depend on how a batch is cut into parts:
dropout, which draws from `Draws.own_seed`, batch normalisation, and losses that compare the clips of a part
with each other.
"""

import copy
import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
from accelerate.utils import DistributedType
from tqdm import tqdm

from msdae import config, limits
from msdae.data.draws import Draws
from msdae.data.parts import cores
from msdae.errors import UserError, printable
from msdae.progress import Progress, silent
from msdae.training import memory, state, steps
from msdae.training.log import TRAINING_LOSS, VALIDATION_LOSS, Log, Meter
from msdae.training.processes import accelerator, noted_signals
from msdae.training.state import Learner
from msdae.training.task import Losses, Schedule, Task, essential


class Loop:
    """Trains the networks of a task in `folder`, which gets the state, the log and the task's product.

    Args:
        schedule: how the networks are trained.
        total: number of steps.
        progress: a progress bar that counts them.

    Raises:
        UserError: a batch that cannot be divided among processes and parts; fp16 on a CPU.
    """

    def __init__(
        self, task: Task, schedule: Schedule, total: int, folder: str | Path, progress: Progress = silent
    ):
        self.task, self.schedule, self.total, self.folder = task, schedule, total, Path(folder)
        self.progress = progress
        self.accelerator = accelerator(schedule, self.folder)
        self.device = self.accelerator.device
        world = self.accelerator.num_processes
        clips = f"{task.batch_setting} {schedule.batch_size}"
        if schedule.batch_size % (world * schedule.accumulation):
            equal = world * schedule.accumulation
            reason = f"{clips} is not divisible into {equal} equal parts"
            raise UserError(f"{reason}; change it, or accumulation")
        self.share = schedule.batch_size // world
        size = memory.needed(task, self.share, self.share // schedule.accumulation)
        if self.device.type == "cpu":
            fix = f"lower {task.batch_setting}, or raise accumulation"
            beside = int(os.environ.get("LOCAL_WORLD_SIZE", world))  # processes on this machine
            limits.require_memory(size * beside, f"{task.name}, {clips}", fix)
        self.log = Log(self.accelerator, self.folder, task.name, total)
        self.networks = task.modules()
        # whether each process has only a part of every weight
        self.sharded = self.accelerator.distributed_type == DistributedType.FSDP
        self.description = _description(self.networks)
        if size:
            self.description += f", about {limits.gigabytes(size)} of memory"
        self.spare = copy.deepcopy(self.networks) if self.sharded else {}
        self.learners = {name: self._learner(name) for name in self.networks}
        self.resident = self.device.type != "cpu" and task.place(self.device)
        torch.backends.cudnn.benchmark = self.device.type == "cuda"  # shapes stay the same
        self.step = 0
        self.early = False  # the task has had enough, before the last step
        self.validated: dict[str, float] = {}  # the last losses on validation clips
        self.failed = torch.zeros((), dtype=torch.bool, device=self.device)
        # reading a number from an accelerator makes it wait
        self.waits = self.device.type == "cpu"

    def _learner(self, name: str) -> Learner:
        s, network = self.schedule, self.networks[name]
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        options = {"lr": s.learning_rate, "betas": tuple(s.betas), "weight_decay": s.weight_decay}
        optimizer = torch.optim.AdamW(trained, fused=True, **options)
        self.networks[name], optimizer = self.accelerator.prepare(network, optimizer)
        return Learner(self.networks[name], optimizer, s.ema)

    # -- the loop

    def run(self) -> bool:
        """Train to the last step, or until the task has had enough, continuing a saved state.

        A training that its task ended early is complete, and goes on only with other settings of what is
        trained, such as more patience, or another number of steps.

        Returns:
            True when the training is complete, False when a signal stopped it (the state is saved).

        Raises:
            UserError: the saved state is of another run, or of more steps than are asked for and no product;
                the loss or its gradient is not finite. On a CPU every step is checked and the state before it
                is saved; elsewhere the steps between two lines of the log.
        """
        self._resume()
        if self.complete:
            self.log.say(f"complete ({self.step} steps): {self.folder}")
            return True
        if self.step == 0:
            self.task.begin()
        self.log.say(f"step {self.step} of {self.total}, {self.description}")
        began = time.monotonic()
        with noted_signals() as self.signals:
            self.log.open(config.to_mapping(self.schedule))
            with self.progress(total=self.total, initial=self.step, desc=self.task.name, unit="step") as bar:
                self._train(bar)
            self.log.close()
        if not self.complete:
            self.log.say(f"stopped at step {self.step}; the state is saved, the same command continues")
            return False
        terms = {name: loss for name, loss in self.validated.items() if "," not in name}  # as of one sigma
        said = "".join(f", {name} {loss:.4g}" for name, loss in terms.items())
        self.log.say(f"complete after {(time.monotonic() - began) / 60:.1f} min{said}: {self.folder}")
        return True

    @property
    def complete(self) -> bool:
        """Whether nothing is left to train."""
        return self.early or self.step >= self.total

    def _train(self, bar: tqdm) -> None:
        s, meter = self.schedule, Meter()
        mark = time.perf_counter()
        for batch in self._read():
            values = self._train_step(steps.to(batch, self.device))
            self.step += 1
            bar.update()
            stopping = self._agree_to_stop()
            ended = self.step == self.total or stopping
            logs = self.step % s.log_every == 0 or ended
            saves = self.step % s.save_every == 0 or ended
            if logs or saves:
                self._require_finite(batch)
            meter.add(values, self.share, time.perf_counter() - mark)
            if logs:
                rate = {"lr": s.rate(self.step - 1, self.total)}
                self.log.write(self.step, meter.summary(self.accelerator) | rate)
                meter = Meter()
            if self.step % s.validate_every == 0 or self.step == self.total:
                self.validated = self.validate()
                self.log.write(self.step, self.validated)
                if self._has_enough():
                    self.early = saves = ended = True
            if self.step % s.audio_every == 0:
                self._log_sounds()
            if self.complete:
                self._finish()  # before the state: a state of the last step means that the product is there
            if saves:
                self._save("state")
            if ended:
                return
            mark = time.perf_counter()

    def _batches(self, start: int) -> Iterator[Any]:
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        return self.task.batches(self.schedule.seed, start, rank, world)

    def _read(self) -> Iterator[Any]:
        """The batches from the current step on."""
        if self.resident:
            return self._batches(self.step)
        return steps.read(self._batches, self.step, self._workers(), pinned=self.device.type == "cuda")

    def _workers(self) -> int:
        if self.schedule.workers is not None:
            return self.schedule.workers
        return 0 if self.device.type == "cpu" else max(1, min(4, cores() // 2))

    def _train_step(self, batch: Any) -> Losses:
        """Do one step of every network on this process's share of a batch; returns what to report of each
        clip."""
        s = self.schedule
        for learner in self.learners.values():
            if not learner.network.training:
                learner.network.train()
            for group in learner.optimizer.param_groups:
                group["lr"] = s.rate(self.step, self.total)
        values: list[Losses] = []
        micro = self.share // s.accumulation
        for start in range(0, self.share, micro):
            piece = batch if micro == self.share else steps.part(batch, slice(start, start + micro))
            draws = self._draws((s.seed, self.task.stage, self.step), start, micro)
            with self.accelerator.accumulate(*self.networks.values()):
                values.append(self._turns(piece, draws, batch))
        for learner in self.learners.values():
            learner.ema.update(self.step)
        return {name: torch.cat([value[name] for value in values]) for name in values[0]}

    def _turns(self, batch: Any, draws: Draws, whole: Any) -> Losses:
        """Do the turns of all networks on `batch`, a part of the batch `whole`, and return what to report.

        That is the losses of the last turn; they are not counted when its network stands still.
        """
        for name, losses in self.task.turns().items():
            norm = torch.full((), math.nan, device=self.device)
            learner, terms = self.learners[name], losses(batch, draws.again())
            total = sum(terms.values())
            self.failed |= ~torch.isfinite(total.detach()).all()
            if self.waits:
                self._require_finite(batch)
            if not total.requires_grad:  # the network stands still, and so do its moments
                terms = {key: torch.full_like(term, math.nan) for key, term in terms.items()}
                continue
            self.accelerator.backward(total.mean())
            if self.accelerator.sync_gradients:
                norm = self.accelerator.clip_grad_norm_(learner.ema.parameters, self.schedule.clip)
                if not self.accelerator.scaler:  # which leaves such a step out, and tries a lower scale
                    self.failed |= ~torch.isfinite(norm)
                    if self.waits:
                        self._require_finite(whole)
            learner.optimizer.step()
            learner.optimizer.zero_grad()
        return self._reported(terms, draws.again()) | {"gradient norm": torch.as_tensor(norm).reshape(1)}

    def _reported(self, terms: Losses, draws: Draws) -> Losses:
        terms = {name: term.detach() for name, term in terms.items()}
        return {TRAINING_LOSS: sum(terms.values()), **terms, **self.task.details(terms, draws)}

    def _draws(self, seed: tuple[int, ...], start: int, size: int) -> Draws:
        """The draws of `size` clips from place `start` of this process's share on."""
        first = self.accelerator.process_index * self.share + start
        return Draws(seed, self.schedule.batch_size, slice(first, first + size), self.device)

    def _require_finite(self, batch: Any) -> None:
        if self.accelerator.reduce(self.failed.float(), "sum") == 0:
            return
        self.failed.zero_()
        self.log.close()
        if not self.waits:
            raise UserError(
                f"{self.folder}: the loss or its gradient is not finite in a step up to {self.step}; "
                "state.safetensors holds the last state before. Lower learning_rate, or find the step with "
                "log_every=1."
            )
        self._save("failed")
        raise UserError(
            f"{self.folder}: the loss or its gradient is not finite at step {self.step} (clips: "
            f"{', '.join(batch.names)}); the state before it is in {self.folder / 'failed.safetensors'}. "
            "Lower learning_rate or look at these clips."
        )

    # -- validation and sounds

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Losses on validation clips with averaged weights; clips and noise are the same every time."""
        meter, rank, world = Meter(), self.accelerator.process_index, self.accelerator.num_processes
        batches = islice(self.task.validation(rank, world), self.schedule.validation_batches)
        with self._averages():
            for index, batch in enumerate(batches):
                size = steps.size(batch)
                places = slice(rank * size, (rank + 1) * size)
                draws = Draws((0, 0, index), world * size, places, self.device)
                terms = self.task.losses(steps.to(batch, self.device), draws.again())
                meter.add(self._reported(terms, draws.again()))
        return {f"valid/{key}": value for key, value in meter.summary(self.accelerator).items()}

    @torch.no_grad()
    def _log_sounds(self) -> None:
        with self._plain_networks() as main:
            if main and self.accelerator.trackers:
                self.log.sounds(self.step, self.task.sounds(), self.task.sample_rate)
        self.accelerator.wait_for_everyone()

    def _finish(self) -> None:
        with self._plain_networks() as main:
            if main:
                self.task.finish(self.folder)
        self.accelerator.wait_for_everyone()

    @contextmanager
    def _averages(self) -> Iterator[None]:
        """Inside the block, the networks have their averaged weights and are in evaluation mode."""
        with ExitStack() as stack:
            for learner in self.learners.values():
                learner.network.eval()
                stack.enter_context(learner.ema.swapped_in())
            yield

    @contextmanager
    def _plain_networks(self) -> Iterator[bool]:
        """Inside the block, on the main process, the task's networks are plain modules with averaged weights.

        Networks that are sharded are gathered into copies. Yields whether this is the main process.
        """
        main = self.accelerator.is_main_process
        with self._averages():
            for name, learner in self.learners.items():
                if self.sharded:
                    gathered = state.full(learner.network)
                    if main:
                        self.spare[name].load_state_dict(gathered)
                    self.networks[name] = self.spare[name].eval()
                else:
                    self.networks[name] = self.accelerator.unwrap_model(learner.network)
            try:
                yield main
            finally:
                self.networks.update({name: learner.network for name, learner in self.learners.items()})

    # -- stopping and resuming

    def _agree_to_stop(self) -> bool:
        """Whether any process was told to stop, or has lost its launcher (see `msdae.launcher`).

        Several processes on accelerators ask each other only at steps that are logged, because asking is
        waiting.
        """
        told = bool(self.signals)
        if self.accelerator.num_processes == 1:
            return told
        if not self.waits and self.step % self.schedule.log_every:
            return False
        return self._any(told)

    def _has_enough(self) -> bool:
        """Whether the task has had enough. The main process asks it, as it alone has the log."""
        main = self.accelerator.is_main_process
        return self._any(main and self.task.enough(self.log.history(VALIDATION_LOSS)))

    def _any(self, here: bool) -> bool:
        """Whether `here` is true in any process."""
        return bool(self.accelerator.reduce(torch.tensor(float(here), device=self.device), "sum") > 0)

    def _same(self) -> dict[str, Any]:
        """What a saved state must have been made with, in the types that JSON has."""
        same = {**self.task.same(), "seed": self.schedule.seed, "batch_size": self.schedule.batch_size}
        return json.loads(json.dumps(same))

    def _save(self, name: str) -> None:
        header = {
            "task": self.task.name,
            "step": self.step,
            "same": self._same(),
            "settings": config.to_mapping(self.schedule),
            "enough": self.total if self.early else None,  # of so many steps
            "complete": self.complete,  # then the product is there
            "scaler": scaler.state_dict() if (scaler := self.accelerator.scaler) else None,  # of fp16
        }
        main = self.accelerator.is_main_process
        state.save(self.folder / f"{name}.safetensors", self.learners, header, main)
        self.accelerator.wait_for_everyone()

    def _resume(self) -> None:
        path = self.folder / state.FILE
        if path.exists():
            header = state.load(path, self.learners, self._same())
            settings = json.loads(json.dumps(config.to_mapping(self.schedule)))
            self.step = header["step"]
            if self.accelerator.scaler and header.get("scaler"):
                self.accelerator.scaler.load_state_dict(header["scaler"])
            before = known if isinstance(known := header.get("settings"), dict) else {}
            self.early = header.get("enough") == self.total and essential(before) == essential(settings)
            if self.complete and not header.get("complete", True):
                raise UserError(
                    f"{path}: of a run that was stopped at step {self.step}, past the {self.total} asked "
                    "for; ask for more steps, or choose another folder"
                )
            self._note_changes(essential(before), settings)
        self.log.trim(self.step)

    def _note_changes(self, before: dict[str, Any], settings: dict[str, Any]) -> None:
        """Say which settings differ from those that the state was saved with.

        Steps may grow, and settings with parts, such as a model's sizes, are compared by the task.
        """
        changed = [
            f"{name} {printable(value)[:40]}, not {settings[name]}"
            for name, value in before.items()
            if not (name in ("kind", "steps") or isinstance(value, dict))
            and settings.get(name, value) != value
        ]
        if changed:
            follows = (
                "choose another folder to train with these" if self.complete else "it goes on with these"
            )
            self.log.say(f"note: so far trained with {'; '.join(changed)}: {follows}")


def _description(networks: dict[str, nn.Module]) -> str:
    parameters = [p for network in networks.values() for p in network.parameters()]
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    total = sum(p.numel() for p in parameters)
    return f"{total / 1e6:.1f} M parameters, {trained / 1e6:.1f} M trained"
