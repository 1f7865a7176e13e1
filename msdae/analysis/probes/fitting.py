"""Two probes and how they are fitted: an MLP on time averages, a BiLSTM on sequences (thesis, section 4.3).

Sizes and schedules were chosen on the validation split of the synth data. On it, two layers with batch
normalisation, dropout and smoothed labels read the instrument as well as extremely randomised trees; a single
plain layer did not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn as nn
import torch.nn.functional as F

from msdae.analysis.probes.splits import lot
from msdae.analysis.probes.tasks import CLASSES, FRAMES, VALUE
from msdae.errors import UserError

WIDTH, DROPPED = 256, 0.4  # of the MLP: width of its layers, and dropout rate
LSTM_WIDTH = 48  # in each direction
VALIDATION = 0.1  # share of the groups that is held out of the fit, to choose the best epoch

# The loss of each clip: outputs and targets of any shape, with clips first -> (clips,).
LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    CLASSES: lambda out, y: F.cross_entropy(out, y, reduction="none"),
    VALUE: lambda out, y: (out - y).square().mean(dim=-1),
    FRAMES: lambda out, y: F.binary_cross_entropy_with_logits(out, y, reduction="none").mean(dim=(1, 2)),
}


@dataclass(frozen=True)
class Schedule:
    """AdamW with a one-cycle learning rate, which peaks at `rate`.

    batch: clips, or a fifth of the clips fitted on if that is less.
    """

    epochs: int
    batch: int
    rate: float = 5e-3


SCHEDULES = {CLASSES: Schedule(30, 256), VALUE: Schedule(30, 256), FRAMES: Schedule(6, 64)}


@dataclass(frozen=True)
class Probe:
    """A fitted network; called with features, it returns logits (or values, in standard deviations).

    mean, std: of the features, (channels,).
    held_out: bool (clips,), the clips that were held out of the fit, to choose the best epoch.
    """

    network: nn.Module
    mean: torch.Tensor
    std: torch.Tensor
    held_out: torch.Tensor

    @torch.inference_mode()
    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.network((part - self.mean) / self.std) for part in x.split(512)])


def fit(
    kind: str, x: torch.Tensor, y: torch.Tensor, outputs: int, groups: Sequence[str], seed: int = 0
) -> Probe:
    """Fit a probe for a task of the given kind.

    Features are standardised. The same seed gives the same probe, however many threads fit other probes at
    the same time.

    x: features, (clips, channels); for FRAMES (clips, frames, channels).
    y: answers: class indices (clips,), values (clips, 1), or 0 and 1 in (clips, frames, outputs).
    outputs: number of the network's outputs.
    groups: the group of each clip. A tenth of the groups is held out; the probe is that of the epoch with the
        lowest loss on them.

    Raises:
        UserError: fewer than two groups.
    """
    drawn = sorted(set(groups), key=lambda name: lot(f"validation {name}"))
    if len(drawn) < 2:
        raise UserError(f"{len(x)} clips of one note or piece are too few to fit a probe on; give more data")
    kept = set(drawn[: max(1, round(VALIDATION * len(drawn)))])
    held_out = torch.tensor([name in kept for name in groups])
    across = tuple(range(x.ndim - 1))
    mean, std = x.mean(dim=across), x.std(dim=across, correction=0).clamp(min=1e-6)
    x, schedule, loss = (x - mean) / std, SCHEDULES[kind], LOSSES[kind]
    training_loss = partial(F.cross_entropy, label_smoothing=0.05) if kind == CLASSES else loss

    generator = torch.Generator().manual_seed(seed)
    network = (BiLSTM if kind == FRAMES else MLP)(x.shape[-1], outputs, generator)
    network.out.bias.data = constant(kind, y, outputs)
    rows = torch.flatten(torch.nonzero(~held_out))
    batch = min(schedule.batch, max(2, len(rows) // 5))
    steps = schedule.epochs * -(-len(rows) // batch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=schedule.rate, fused=True)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, schedule.rate, total_steps=steps)
    best, state = float("inf"), network.state_dict()
    for _ in range(schedule.epochs):
        network.train()
        for part in rows[torch.randperm(len(rows), generator=generator)].split(batch):
            if len(part) > 1:  # batch normalisation needs two clips
                optimizer.zero_grad()
                training_loss(network(x[part]), y[part]).mean().backward()
                optimizer.step()
            cycle.step()
        network.eval()
        with torch.inference_mode():
            value = float(loss(network(x[held_out]), y[held_out]).mean())
        if value < best:
            best, state = value, {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(state)
    return Probe(network, mean, std, held_out)


def constant(kind: str, y: torch.Tensor, outputs: int) -> torch.Tensor:
    """The constant answer with the lowest loss on `y`, as the outputs of a probe: (outputs,)."""
    if kind == CLASSES:
        return torch.log(torch.bincount(y, minlength=outputs).clamp(min=0.5) / len(y))
    if kind == VALUE:
        return y.mean(dim=0)
    return torch.logit(y.mean(dim=(0, 1)).clamp(1e-5, 1 - 1e-5))


class MLP(nn.Module):
    """Two hidden layers: (clips, channels) -> (clips, outputs)."""

    def __init__(self, channels: int, outputs: int, generator: torch.Generator):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(channels, WIDTH), nn.Linear(WIDTH, WIDTH)])
        self.norms = nn.ModuleList([nn.BatchNorm1d(WIDTH), nn.BatchNorm1d(WIDTH)])
        self.out = nn.Linear(WIDTH, outputs)
        self.generator = generator
        _initialise(self, generator)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.gelu(norm(layer(x)))
            if self.training:  # F.dropout would draw from the random state that all threads share
                x = x * (torch.rand(x.shape, generator=self.generator) >= DROPPED) / (1 - DROPPED)
        return self.out(x)


class BiLSTM(nn.Module):
    """Two BiLSTM layers and a linear one: (clips, frames, channels) -> (clips, frames, outputs)."""

    def __init__(self, channels: int, outputs: int, generator: torch.Generator):
        super().__init__()
        self.lstm = nn.LSTM(channels, LSTM_WIDTH, num_layers=2, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * LSTM_WIDTH, outputs)
        _initialise(self, generator)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.lstm(x)[0])


def _initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw initial parameters from PyTorch's default uniform ranges by `generator`."""
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.LSTM)):
            fan = module.hidden_size if isinstance(module, nn.LSTM) else module.in_features
            for parameter in module.parameters():
                nn.init.uniform_(parameter, -(fan**-0.5), fan**-0.5, generator=generator)
