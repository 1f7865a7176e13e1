"""The task of making a model's student: segments of the model's own trajectories, each by one evaluation."""

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn as nn

from msdae import data, files
from msdae.checkpoint import fingerprint
from msdae.config import to_mapping
from msdae.data.draws import Draws
from msdae.data.views import ViewConfig, Views
from msdae.errors import UserError
from msdae.limits import CLIPS, FRACTION, Range, Size
from msdae.locks import only_process
from msdae.models import codec_files, student
from msdae.models.autoencoder import Autoencoder
from msdae.models.hub import STUDENT
from msdae.models.student import CONSISTENCY, GUIDANCE, Student, StudentConfig
from msdae.nn.tokens import Tokens
from msdae.progress import Progress, silent
from msdae.training.autoencoder import data_keys
from msdae.training.loop import Loop
from msdae.training.processes import process_state
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
)
from msdae.training.trajectories import Segments, Trajectories, TrajectoryConfig, make

TRAIN_PER_VALID = 8  # training clips for each validation clip
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DistillConfig(Schedule):
    """How a student is made.

    student: what the student is. steps: steps of its training.
    clips: how many clips it is trained on; the teacher renders their trajectories first.
    shard: clips in a file of trajectories.
    segments: numbers of segments that a trajectory is cut into, each of them equally often.
    local: share of the segments that have no length. Their target is the teacher's guided estimate, so that
        only guidance is learnt from them.
        `segments` and `local` are for students that say "segments". Those that say "guidance" have segments
        without length only. Those that say "consistency" have shorter and shorter ones, at whose two ends
        their estimates have to agree (Geng et al. 2024, "Consistency models made easy").
    usual: share of the clips that have the model's configured guidance.
    crossed: share of the clips that get the sound of another clip, for which no rendering exists.
    views: what the encoders see of a clip.
    """

    student: StudentConfig = field(default_factory=StudentConfig)
    steps: Steps = 2000
    clips: Annotated[int, CLIPS] = 1024
    shard: Annotated[int, Range(1, 2**16)] = 128
    segments: Annotated[tuple[Annotated[int, Range(1, 1000)], ...], Size(1, 16)] = (1, 2, 2, 4, 4, 8)
    local: Share = 0.1
    usual: Share = 0.5
    crossed: Share = 0.5
    views: ViewConfig = field(default_factory=ViewConfig)
    learning_rate: Rate = 1e-3
    warmup: StepsOrNone = 50
    decay: Share = 0.5
    ema: Annotated[float, FRACTION] = 0.99
    batch_size: Count = 16
    save_every: Steps = 100
    validate_every: Steps = 200
    validation_batches: StepsOrNone = 4
    betas: Betas = (0.9, 0.99)
    trackers: Trackers = ()

    def __post_init__(self):
        super().__post_init__()
        if max(self.segments) > self.student.points:
            raise UserError(f"segments {self.segments}: a trajectory has {self.student.points} points")


class StudentLoss(nn.Module):
    """A student as a network whose `forward` is the loss of segments. The teacher is no submodule of it."""

    def __init__(self, model: Autoencoder, pupil: Student, shapes: Trajectories):
        super().__init__()
        self.student, self._model, self._unpacked = pupil, [model], shapes.unpacked

    def forward(self, batch: Segments) -> torch.Tensor:
        """The loss of each segment, (batch,)"""
        (model,) = self._model
        tokens = Tokens(batch.tokens, batch.weights) if model.token_channels else None
        conditioned = model.condition(self._unpacked(batch.codes))
        attended = model.attended(tokens, len(batch.x))
        ratio = self.student.ratio(batch.sigma, batch.following)
        control = self.student.control(batch.guidance, ratio)

        def network(x: torch.Tensor, c_noise: torch.Tensor) -> torch.Tensor:
            return model.unet(x, c_noise, conditioned, attended, control)

        target, mean = batch.target, model.latent_mean
        with self.student.adapter.applied(model.unet):
            if self.student.config.says == CONSISTENCY:
                ended, sigma = batch.following == 0, batch.following.clamp_min(model.edm.sigma_min)
                with torch.no_grad():
                    own = mean + model.edm.denoise(network, batch.later - mean, sigma)
                target = torch.where(ended[:, None, None], batch.later, own)
            return model.edm.loss(network, target - mean, batch.x - target, batch.sigma)


class DistillationTask(Task):
    """Trains the student of `model` on segments of the model's trajectories."""

    def __init__(
        self,
        model: Autoencoder,
        pupil: Student,
        train: Trajectories,
        valid: Trajectories,
        settings: DistillConfig,
        key: str,
    ):
        self.model, self.train, self.valid, self.settings, self.key = model, train, valid, settings, key
        self.name, self.stage = "student", model.stage
        self.every = sorted({count for step in range(settings.steps) for count in self.counts(step)})
        self.networks: dict[str, nn.Module] = {"student": StudentLoss(model, pupil, train)}

    @property
    def local(self) -> float:
        """The share of segments without length."""
        return {GUIDANCE: 1.0, CONSISTENCY: 0.0}.get(self.settings.student.says, self.settings.local)

    def counts(self, step: int) -> Sequence[int]:
        """The numbers of segments that trajectories are cut into at a step."""
        s = self.settings
        if s.student.says != CONSISTENCY:
            return s.segments
        halvings = s.student.points.bit_length()
        return (min(s.student.points, 2 ** (step * halvings // s.steps)),)

    def batches(self, seed: int, start: int, rank: int, world: int) -> Iterator[Segments]:
        return self.train.batches(self.settings.batch_size, self.counts, self.local, seed, start, rank, world)

    def validation(self, rank: int, world: int) -> Iterable[Segments]:
        last = self.counts(self.settings.steps - 1)
        return self.valid.batches(self.settings.batch_size, lambda step: last, self.local, 0, 0, rank, world)

    def losses(self, batch: Segments, draws: Draws) -> Losses:
        self.seen = batch.steps
        return {"segments": self.networks["student"](batch)}

    def details(self, terms: Losses, draws: Draws) -> Losses:
        """The loss by the number of segments that the trajectory was cut into."""
        loss = terms["segments"]
        named = {f"loss, {count} steps": count for count in self.every} | {"loss, guidance": 0}
        return {name: torch.where(self.seen == count, loss, math.nan) for name, count in named.items()}

    def same(self) -> dict[str, Any]:
        s = self.settings
        kept = {name: getattr(s, name) for name in ("segments", "local")}
        return {
            "trajectories": self.key,
            "clips": len(self.train),
            "student": to_mapping(s.student),
            **kept,
        }

    def finish(self, folder: Path) -> None:
        """Write student.safetensors."""
        pupil = self.networks["student"].student
        pupil.provenance = {"steps": self.settings.steps, "clips": len(self.train)}
        pupil.save(folder / STUDENT)


def distill(
    checkpoint: str,
    settings: DistillConfig,
    run: str | Path,
    datasets: Sequence[str | Path] = (),
    device: torch.device | None = None,
    codec: str | Path | None = None,
    progress: Progress = silent,
) -> bool:
    """Make the student of a model in the folder `run`, or go on with it.

    datasets: folders with train/ and valid/, as in training; none: rendered squares, which are made if they
        are missing.
    device: where the teacher renders. codec: name or file of the model's codec.

    Returns:
        True when it is complete, False when a signal stopped it (the state is saved).

    Raises:
        UserError: no such checkpoint; data of another codec or mel; a folder of another student, or of one
            that was trained on another number of clips.
    """
    place = process_state(device).device
    model = Autoencoder.from_pretrained(checkpoint).requires_grad_(False).to(place)
    known = codec_files.load(model.config.codec, model.folder, codec)
    run = Path(run)
    files.make_folder(run)
    files.check_replaceable(run / STUDENT)
    with only_process(run):
        if not datasets:
            name = model.config.codec.name
            datasets = [data.embedded(codec=name, mel=model.config.mel, dataset="squares", progress=progress)]
        sets, keys = [], []
        for split in ("train", "valid"):
            clips = data.open_clips(*(Path(folder) / split for folder in datasets))
            clips.require(known, model.config.mel)
            keys.append(_key(model, clips, settings))
            folder = run / "trajectories" / split
            sets.append(_trajectories(model, clips, settings, folder, keys[-1], progress))
        generator = torch.Generator().manual_seed(settings.seed)
        pupil = Student.fresh(model, settings.student, generator)
        task = DistillationTask(model, pupil, *sets, settings, "-".join(keys))
        return Loop(task, settings, settings.steps, run, progress).run()


def _key(model: Autoencoder, clips: data.Clips, settings: DistillConfig) -> str:
    """A hash of all that the trajectories of one split follow from except their number, because more can be
    added to those that exist."""
    facts = {
        "teacher": student.fingerprint(model),
        "data": data_keys(clips),
        "views": to_mapping(settings.views),
        "seed": settings.seed,
        **to_mapping(_config(settings, 0)),
    }
    return fingerprint({}, facts)


def _config(s: DistillConfig, clips: int) -> TrajectoryConfig:
    return TrajectoryConfig(clips, s.shard, s.student.points, s.student.guidance, s.usual, s.crossed)


def _trajectories(
    model: Autoencoder,
    clips: data.Clips,
    settings: DistillConfig,
    folder: Path,
    key: str,
    progress: Progress,
) -> Trajectories:
    """The trajectories of one split."""
    count = settings.clips if folder.name == "train" else max(1, settings.clips // TRAIN_PER_VALID)
    views = clips if settings.views.plain else Views(clips, settings.views)
    return make(model, views, _config(settings, count), folder, key, settings.seed, progress)
