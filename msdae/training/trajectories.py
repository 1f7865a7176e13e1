"""A teacher's way from noise to latents, kept on disk: what a student is trained on."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from msdae import checkpoint, files
from msdae.data import order, parts
from msdae.data.cache import Batch
from msdae.data.draws import Draws
from msdae.diffusion.distillation import chord, places, trajectory
from msdae.diffusion.samplers import karras_sigmas
from msdae.errors import UserError
from msdae.models.autoencoder import Autoencoder
from msdae.nn.tokens import Tokens, weights_of
from msdae.progress import Progress, silent

KIND, TOGETHER = "trajectories", 16  # of files; clips that have one guidance
UNGUIDED = 0.25  # share of the drawn weights that are 1
FIX = "delete its folder, and it is made again"


@dataclass(frozen=True)
class TrajectoryConfig:
    """Which trajectories are made.

    clips: at least; files are made whole, so that more may be asked for later. shard: clips of a file.
    points: steps of the teacher. usual: share of the clips that have the model's configured guidance; the
        others' weights are between `guidance`, or 1, each by itself.
    crossed: share of the clips whose pooled codes are of another clip, so that nobody knows the right answer.
    """

    clips: int
    shard: int
    points: int
    guidance: tuple[float, ...]
    usual: float
    crossed: float


@dataclass(frozen=True)
class Segments:
    """Segments of trajectories; the first dimension is over clips.

    x, later: points where segments begin and end, (batch, channels, frames), at the noise levels `sigma` and
        `following`, (batch,) both. target: what a student is to say at the first for a step to the second.
    steps: how many such segments make the trajectory, 0 of one without length, whose target is the teacher's
        own estimate.
    guidance: (batch, levels). codes: (batch, numbers), of all levels one after the other. tokens: (batch,
        channels, tokens); weights: (batch, tokens); without numbers where the model has none.
    """

    x: torch.Tensor
    sigma: torch.Tensor
    later: torch.Tensor
    following: torch.Tensor
    target: torch.Tensor
    steps: torch.Tensor
    guidance: torch.Tensor
    codes: torch.Tensor
    tokens: torch.Tensor
    weights: torch.Tensor
    names: list[str]


class Trajectories:
    """The trajectories in a folder, in memory in half precision.

    sigmas: their noise levels, (points + 1,). shapes: of a clip's codes, (channels, frames) of each level.
    """

    def __init__(self, shards: Sequence[Path]):
        parts = [checkpoint.load(path, KIND) for path in shards]
        header = parts[0][1]
        self.sigmas = torch.tensor(header["sigmas"])
        self.shapes = [tuple(shape) for shape in header["shapes"]]
        self.tensors = {name: torch.cat([part[name] for part, _ in parts]) for name in parts[0][0]}

    def __len__(self) -> int:
        return len(self.tensors["points"])

    def batches(
        self,
        batch_size: int,
        counts: Callable[[int], Sequence[int]],
        local: float,
        seed: int,
        start: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> Iterator[Segments]:
        """Endless batches of segments from step `start`, this rank's share of each; a pure function of the
        seed.

        counts: of segments that a trajectory is cut into at a step, each as often. local: share of segments
            without length.
        """
        share = order.positions(0, batch_size, rank, world)
        for step, indices in enumerate(order.batches(len(self), batch_size, seed, start, rank, world), start):
            draws = Draws((seed, step, 1), batch_size, slice(share.start, share.stop))
            yield self._segments(indices, draws.uniform(3), counts(step), local)

    def _segments(
        self, indices: np.ndarray, draws: torch.Tensor, counts: Sequence[int], local: float
    ) -> Segments:
        steps, first, last = [], [], []
        total = len(self.sigmas) - 1
        for kind, which, where in draws.tolist():
            count = total if kind < local else counts[int(which * len(counts))]
            edges = places(total, count)
            place = int(where * count)
            steps.append(0 if kind < local else count)
            first.append(edges[place])
            last.append(edges[place] if kind < local else edges[place + 1])
        rows, first, last = torch.from_numpy(indices), torch.tensor(first), torch.tensor(last)
        points = self.tensors["points"]
        x, later = points[rows, first].float(), points[rows, last].float()
        sigma, following, counted = self.sigmas[first], self.sigmas[last], torch.tensor(steps)
        own = self.tensors["estimates"][rows, first].float()
        # a segment without length has no chord
        safe = torch.where(counted > 0, following, 0)
        target = torch.where((counted > 0)[:, None, None], chord(x, sigma, later, safe), own)
        rest = [self.tensors[name][rows].float() for name in ("guidance", "codes", "tokens", "weights")]
        names = [f"clip {row}" for row in indices]
        return Segments(x, sigma, later, following, target, counted, *rest, names)

    def unpacked(self, codes: torch.Tensor) -> list[torch.Tensor]:
        """The codes of each level, (batch, channels, frames), of `Segments.codes`."""
        parts = codes.split([channels * frames for channels, frames in self.shapes], dim=1)
        return [part.unflatten(1, shape) for part, shape in zip(parts, self.shapes, strict=True)]


def make(
    model: Autoencoder,
    clips: Any,
    settings: TrajectoryConfig,
    folder: Path,
    key: str,
    seed: int,
    progress: Progress = silent,
) -> Trajectories:
    """The trajectories of a model on clips, made where `folder` does not have them.

    clips: with `batches`, views of them as in the model's training. key: of what they are made from; what the
    folder has of another key is an error.

    Processes that were launched together share the work.

    Raises:
        UserError: the folder holds other trajectories, or has no room; another process stopped.
    """
    plan = folder / "trajectories.json"
    if plan.exists() and files.read_json(plan).get("key") != key:
        raise UserError(
            f"{folder}: trajectories of another model, data or settings; {FIX}, or choose another --run"
        )
    files.make_folder(folder)
    with files.atomic(plan) as temporary:
        temporary.write_text(json.dumps({"key": key}))
    paths = [folder / f"{n:05d}.safetensors" for n in range(-(-settings.clips // settings.shard))]
    write = partial(_write, model, clips, settings)
    work = [parts.Part(write, seed + number, path, settings.shard) for number, path in enumerate(paths)]
    parts.complete(work, "trajectories", "clip", 1, progress)
    return Trajectories(paths)


@torch.no_grad()
def _write(model: Autoencoder, clips: Any, settings: TrajectoryConfig, seed: int, path: Path) -> None:
    """One file."""
    batches: list[dict[str, torch.Tensor]] = []
    shapes: list[tuple[int, int]] = []
    for number, batch in enumerate(clips.batches(min(TOGETHER, settings.shard), seed=seed)):
        if (left := settings.shard - sum(len(batch["points"]) for batch in batches)) <= 0:
            break
        draws = Draws((seed, number, 0), len(batch.names), device=model.latent_mean.device)
        tensors, shapes = _tensors(model, batch, settings, draws)
        batches.append({name: tensor[:left].half().cpu() for name, tensor in tensors.items()})
    edm = model.edm
    sigmas = karras_sigmas(settings.points, edm.sigma_min, edm.sigma_max).tolist()
    tensors = {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}
    checkpoint.save(path, KIND, tensors, {"sigmas": sigmas, "shapes": shapes})


def _tensors(
    model: Autoencoder, batch: Batch, settings: TrajectoryConfig, draws: Draws
) -> tuple[dict[str, torch.Tensor], list[tuple[int, int]]]:
    """The trajectories of a batch with its conditions, and the shapes of its codes."""
    device = model.latent_mean.device
    given = [getattr(batch, "timbre" if pooled else "content").to(device) for pooled in model.pooled]
    codes = model.encode(batch.z.to(device), given)
    encoded = model.encode_tokens(batch.timbre.to(device))
    tokens = None if encoded is None else Tokens(encoded[0], weights_of(encoded[1]))
    places = torch.arange(len(batch.names), device=device)
    others = torch.where(draws.uniform(1)[:, 0] < settings.crossed, places.roll(1), places)
    codes = [code[others] if pooled else code for code, pooled in zip(codes, model.pooled, strict=True)]
    tokens = None if tokens is None else Tokens(*(part[others] for part in tokens))
    weights = _guidance(model, settings, draws)
    noise = draws.normal(*batch.z.shape[1:])
    denoiser = model.denoiser(codes, weights, tokens)
    edm = model.edm
    points, estimates = trajectory(
        denoiser, noise, settings.points, sigma_min=edm.sigma_min, sigma_max=edm.sigma_max
    )
    size = len(points)
    tensors = {
        "points": points,
        "estimates": estimates,
        "guidance": torch.tensor(weights).expand(size, -1),
        "codes": torch.cat([code.flatten(1) for code in codes], dim=1),
        "tokens": tokens.values if tokens else torch.zeros(size, 0, 0),
        "weights": tokens.weights if tokens else torch.zeros(size, 0),
    }
    return tensors, [tuple(code.shape[1:]) for code in codes]


def _guidance(model: Autoencoder, settings: TrajectoryConfig, draws: Draws) -> list[float]:
    """The weights of a batch, one a level: the model's own, or drawn for each level by itself."""
    usual, *draws_of_levels = draws.uniform(1 + 2 * model.stage)[0].tolist()
    if usual < settings.usual:
        return model.guidance_weights(None)
    low, high = settings.guidance
    pairs = zip(draws_of_levels[: model.stage], draws_of_levels[model.stage :], strict=True)
    return [1.0 if unguided < UNGUIDED else low + (high - low) * place for unguided, place in pairs]
