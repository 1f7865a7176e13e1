"""What a training loop is given: a task, which says what a step computes, and how it is trained."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import torch
import torch.nn as nn

from msdae import config, limits
from msdae.data.draws import Draws
from msdae.limits import FRACTION, SEED, Choice, Range, Share, Size

PRECISIONS = Choice(("auto", "no", "bf16", "fp16"))
TRACKERS = Choice(("tensorboard", "wandb", "aim", "comet_ml", "mlflow", "clearml", "dvclive", "trackio"))
Steps = Annotated[int, Range(1, 10**9, reason="more would take years")]
StepsOrNone = Annotated[int, Range(0, 10**9, reason="more would take years")]
Count = Annotated[int, Range(1, 2**16, reason="more fit no memory")]
Rate = Annotated[float, Range(0, 1, above=True, reason="larger steps diverge")]
Weight = Annotated[float, Range(0, 1e6)]
Betas = Annotated[tuple[Annotated[float, FRACTION], ...], Size(2, 2)]
Precision = Annotated[str, PRECISIONS]
Trackers = tuple[Annotated[str, TRACKERS], ...]
Losses = dict[str, torch.Tensor]
BESIDE = ("log_every", "save_every", "audio_every", "workers", "trackers")  # settings of log, states, reading


def settled(held_out: Sequence[float], patience: int) -> bool:
    """Whether the last `patience` losses are not better than one before them; never with a patience of 0."""
    return 0 < patience < len(held_out) and min(held_out[-patience:]) >= min(held_out[:-patience])


@dataclass(frozen=True)
class Schedule:
    """How networks are trained, whatever they are: by AdamW, in batches, with saved states and a log.

    learning_rate: after `warmup` steps; falls to zero over the last share `decay` of the steps.
    betas, weight_decay: of AdamW. clip: longest gradient. ema: decay of the averaged weights.
    batch_size: over all processes and accumulated parts. accumulation: parts of a process's share.
    validate_every, save_every, audio_every, log_every: in steps. validation_batches: at most.
    mixed_precision: one of `PRECISIONS`; auto is what `accelerate launch` was given or, without, bf16 where
        the device has instructions for it.
    workers: processes that read batches; by default a thread reads on a CPU, up to four processes elsewhere.
    trackers: those that are installed and can be started, as with a login, are used.
    """

    learning_rate: Rate = 1e-3
    warmup: StepsOrNone = 200
    decay: Share = 0.3
    betas: Betas = (0.9, 0.999)
    weight_decay: Weight = 0.0
    clip: Annotated[float, Range(0, 1e9, above=True)] = 1.0
    ema: Annotated[float, FRACTION] = 0.999
    seed: Annotated[int, SEED] = 0
    batch_size: Count = 32
    accumulation: Count = 1
    log_every: Steps = 50
    validate_every: Steps = 500
    validation_batches: StepsOrNone = 8
    save_every: Steps = 250
    audio_every: Steps = 2000
    mixed_precision: Precision = "auto"
    workers: Annotated[int, Range(0, 256, reason="more than a machine has cores")] | None = None
    trackers: Trackers = ("tensorboard", "wandb")

    def __post_init__(self):
        limits.check(self)

    def rate(self, step: int, total: int) -> float:
        """Learning rate at `step` of `total`: linear warm-up, constant, linear decay to zero."""
        up = min(1.0, (step + 1) / max(1, self.warmup))
        down = min(1.0, (total - step) / max(1.0, self.decay * total))
        return self.learning_rate * min(up, down)


def essential(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of the settings of a training those that change what is trained."""
    return {name: value for name, value in settings.items() if name not in BESIDE}


def recorded(settings: Any) -> dict[str, Any]:
    """The settings of a training for a file's provenance; kind and sizes are in its header anyway."""
    mapping = config.to_mapping(settings)
    return {name: value for name, value in mapping.items() if name not in ("kind", "model")}


def family_settings(schedule: type[Schedule], family: Any) -> type:
    """The settings of training a model of `family`: a schedule with the family's defaults, and its sizes.

    family: a class with `schedule`, values by name, and `Config`, the dataclass of its sizes, which becomes
        the field `model`.
    """
    hints = {**Schedule.__annotations__, **schedule.__annotations__}
    fields = [(name, hints[name], field(default=value)) for name, value in family.schedule.items()]
    model = ("model", family.Config, field(default_factory=family.Config))
    name = schedule.__name__.replace("Schedule", "Config")
    return make_dataclass(name, [*fields, model], bases=(schedule,), frozen=True)


class Task(Protocol):
    """What a loop trains. A task says what a step computes; the loop does everything else.

    A batch is a dataclass of tensors and lists over clips, with a field `names` (see `training.steps`).

    name: begins every line of the log. stage: a number that draws depend on, beside seed and step.
    sample_rate: of `sounds`, in Hz. networks: what `modules` gives. batch_setting: by which name whoever runs
        the training sets the schedule's batch_size.
    """

    name: str
    stage: int
    sample_rate: int = 0
    batch_setting: str = "batch_size"
    networks: dict[str, nn.Module]

    def modules(self) -> dict[str, nn.Module]:
        """The networks by name; what requires gradients is trained, each network by its own optimizer.

        The dictionary is the task's own: the loop puts in each network's place what it has prepared for
        several processes and mixed precision, and `losses` calls what stands there.
        """
        return self.networks

    def batches(self, seed: int, start: int, rank: int, world: int) -> Iterator[Any]:
        """Endless batches from step `start`, each this rank's share of a global batch that depends on seed
        and step alone."""
        ...

    def place(self, device: torch.device) -> bool:
        """Put the data on `device` if that is possible; whether `batches` are made there now."""
        return False

    def losses(self, batch: Any, draws: Draws) -> Losses:
        """The weighted terms of the loss of each clip, (batch,) each; the loss is the mean of their sum."""
        ...

    def turns(self) -> dict[str, Callable[[Any, Draws], Losses]]:
        """Which network steps by which losses, in this order; opponents have a turn each. Losses without
        gradients leave the network as it is."""
        return dict.fromkeys(self.modules(), self.losses)

    def details(self, terms: Losses, draws: Draws) -> Losses:
        """More values to report of each clip, (batch,) each, NaN where one is not to be counted."""
        return {}

    def validation(self, rank: int, world: int) -> Iterable[Any]:
        """Batches that losses are reported on, the same ones every time."""
        return ()

    def enough(self, held_out: Sequence[float]) -> bool:
        """Whether the training may end now, after a validation; held_out: the losses of all so far. Called
        on the main process."""
        return False

    def example(self, clips: int) -> Any:
        """A batch of so many clips, by which the memory of a step is measured; None: it is not measured."""
        return None

    def sounds(self) -> dict[str, torch.Tensor]:
        """Waveforms (samples,) to listen to, by name. Called with averaged, plain networks in `modules`."""
        return {}

    def same(self) -> dict[str, Any]:
        """What has to be equal for a saved state to be continued, by name, JSON-able."""
        return {}

    def begin(self) -> None:
        """Called before the first step of a run, not when one is continued."""

    def finish(self, folder: Path) -> None:
        """Write the product to `folder`. Called as `sounds`, on the main process."""
