"""Fitting the timbre network and the instrument classifier, and how good they are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from msdae import checkpoint, codecs, limits
from msdae.data.draws import Draws, mix_seed
from msdae.evaluation.metrics import classifier, renditions, timbre
from msdae.evaluation.metrics.classifier import Classifier
from msdae.evaluation.metrics.mel import BANDS, RANGE_DB
from msdae.evaluation.metrics.renditions import Plan, Renditions
from msdae.evaluation.metrics.timbre import Timbre
from msdae.evaluation.tables import EMPTY, Cell, Table, Value
from msdae.limits import COUNT, SEED, Range
from msdae.progress import Progress, silent
from msdae.symbolic import instruments
from msdae.symbolic.instruments import Voice, family
from msdae.synthesis import soundfont
from msdae.training.loop import Loop
from msdae.training.task import Losses, Schedule, Task

TIMBRE, CLASSIFIER = "timbre.safetensors", "classifier.safetensors"
MARGIN = 0.2  # between the cosine similarities of a triplet
INSTRUMENTS, EACH = 64, 4  # in a batch of triplets
BATCH = 64  # of the classifier
RATE, CLIP = 2e-3, 1e3  # the highest learning rate and the longest gradient
REPEATS = 8  # of clips through the codec, which are slow to make
LARGEST = 6.0  # dB, of an equaliser's swing
CLIPS = Range(2, 1000, reason="an instrument has no more that differ")
NOISE_DB = (25.0, 75.0)  # below the loudest band


@dataclass(frozen=True)
class MetricConfig:
    """What the metrics' networks are fitted to and checked with.

    clips: of each instrument of the first SoundFont to learn from, half as many of the others'.
    coded: further ones of the first SoundFont, through each of `codecs`: swaps are heard through one.
    references: of each instrument to check with.
    checked: how many of them also go through the default codec.
    steps: of each network.
    seed: of clips and networks.
    """

    clips: Annotated[int, CLIPS] = 48
    coded: Annotated[int, Range(0, CLIPS.high)] = 3
    references: Annotated[int, CLIPS] = 18
    checked: Annotated[int, Range(1, CLIPS.high)] = 3
    codecs: tuple[str, ...] = (codecs.DEFAULT, "spectral")
    steps: Annotated[int, COUNT] = 2000
    seed: Annotated[int, SEED] = 0

    def __post_init__(self):
        limits.check(self)


def fit(
    fonts: Sequence[str],
    config: MetricConfig,
    clips: Path,
    out: Path,
    workers: int | None = None,
    progress: Progress = silent,
) -> tuple[Timbre, Classifier]:
    """Fit both networks to the seen programs of `fonts` on training pieces, and write them.

    out: folder for the two files and the states of their training, which is continued from there. clips:
        folder that keeps the rendered clips.

    Raises:
        UserError: as `renditions.render` and `Loop.run`.
        KeyboardInterrupt: a signal stopped the training; its state is saved.
    """
    voices, _ = instruments.voices(fonts, [])
    first = [voice for voice in voices if voice.soundfont == fonts[0]]
    others = [voice for voice in voices if voice.soundfont != fonts[0]]
    plain = _plans(first, "train", config.clips, config.seed)
    plain += _plans(others, "train", config.clips // 2, config.seed)
    coded = [
        plan
        for number, codec in enumerate(config.codecs, start=2)
        for plan in _plans(first, "train", config.coded, config.seed + number, codec)
    ]
    rendered = renditions.render([*plain, *coded], clips, "learnt from", workers, progress)
    plain_rows, coded_rows = np.split(np.arange(len(rendered.pieces)), [sum(plan.clips for plan in plain)])
    train = rendered.take(np.concatenate([plain_rows, coded_rows.repeat(REPEATS)]))
    network = fit_timbre(train, out / "training" / "timbre", config.steps, config.seed)
    labeller = fit_classifier(train, out / "training" / "classifier", config.steps, config.seed)
    provenance = {
        "soundfonts": [[Path(font).name, soundfont.fingerprint(font)] for font in fonts],
        "clips": len(rendered.pieces),
        "instruments": len(voices),
        "settings": asdict(config),
    }
    timbre.save(network, out / TIMBRE, provenance)
    classifier.save(labeller, out / CLASSIFIER, provenance)
    return timbre.load(out / TIMBRE), classifier.load(out / CLASSIFIER)


def check(
    network: Timbre,
    labeller: Classifier,
    fonts: Sequence[str],
    config: MetricConfig,
    clips: Path,
    workers: int | None = None,
    progress: Progress = silent,
) -> Table:
    """How well both networks tell instruments apart, on validation pieces.

    fonts: the seen programs of the first one are checked, and the held-out programs of all.

    Raises:
        UserError: as `renditions.render`.
    """
    seen, held_out = instruments.voices(fonts[:1], fonts)
    checked = {f"{Path(fonts[0]).name}, seen": seen}
    checked |= {
        f"{Path(font).name}, held out": [v for v in held_out if v.soundfont == font] for font in fonts
    }
    rows = []
    for name, voices in checked.items():
        plain, coded = (
            renditions.render(
                _plans(voices, "validation", number, config.seed + 1, codec), clips, name, workers, progress
            )
            for number, codec in ((config.references, ""), (config.checked, codecs.DEFAULT))
        )
        rows.append((name, *_row(network, labeller, plain, coded)))
    note = (
        "3 s clips of validation pieces. Nearest: the instrument whose mean embedding over clips of other "
        "pieces is the nearest one is the right one; the same for clips that went through the codec "
        f"{codecs.DEFAULT}."
    )
    header = (
        "instruments",
        "clips",
        "triplets",
        "nearest",
        f"nearest, {codecs.DEFAULT}",
        "program",
        "family",
    )
    return Table("Accuracy of the learnt metrics", header, tuple(rows), note)


def _plans(voices: Sequence[Voice], split: str, clips: int, seed: int, codec: str = "") -> list[Plan]:
    return [Plan(voice, split, clips, seed, codec) for voice in voices]


def _row(network: Timbre, labeller: Classifier, plain: Renditions, coded: Renditions) -> tuple[Cell, ...]:
    shares = accuracy(network, plain, coded)
    programs, families = classified(labeller, plain)
    answerable = set(plain.programs.tolist()) <= set(labeller.programs)
    return (
        f"{len(plain.programs)} of {len(set(plain.instruments.tolist()))}",
        *(Value(share) for share in (shares.triplet, shares.nearest, shares.through_codec)),
        Value(programs) if answerable else EMPTY,
        Value(families),
    )


@dataclass(frozen=True)
class Examples:
    """A batch of clips as the networks see them: mel (batch, bands, frames) in dB, augmented; label, piece
    (batch,), numbers of what is to be told and of the piece; names of the pieces."""

    mel: torch.Tensor
    label: torch.Tensor
    piece: torch.Tensor
    names: list[str]


class MetricTask(Task):
    """A network that learns from augmented clips, by a loss of its outputs.

    Args:
        rows: chooses the clips of a batch by a generator. labels: what is to be told, (clips,).
        loss: of the network's outputs and the examples -> (batch,)
    """

    def __init__(
        self,
        name: str,
        network: nn.Module,
        clips: Renditions,
        labels: np.ndarray,
        rows: Callable[[torch.Generator], torch.Tensor],
        loss: Callable[[torch.Tensor, Examples], torch.Tensor],
    ):
        self.name, self.stage, self.clips, self.rows, self.loss = name, 0, clips, rows, loss
        self.labels = torch.from_numpy(labels)
        self.pieces = torch.from_numpy(np.unique(clips.pieces, return_inverse=True)[1])
        self.networks = {"network": network}

    def modules(self) -> dict[str, nn.Module]:
        return self.networks

    def batches(self, seed: int, start: int, rank: int, world: int) -> Iterator[Examples]:
        for step in count(start):
            generator = torch.Generator().manual_seed(mix_seed((seed, step)))
            rows = self.rows(generator)
            mel = augmented(self.clips.mels[rows].float(), generator)
            share = len(rows) // world
            part = slice(rank * share, (rank + 1) * share)
            rows, mel = rows[part], mel[part]
            yield Examples(
                mel, self.labels[rows], self.pieces[rows], self.clips.pieces[rows.numpy()].tolist()
            )

    def losses(self, batch: Examples, draws: Draws) -> Losses:
        return {"error": self.loss(self.networks["network"](batch.mel), batch)}

    def same(self) -> dict[str, Any]:
        names = {"pieces": self.clips.pieces.tolist(), "instruments": self.clips.instruments.tolist()}
        return {"data": checkpoint.fingerprint({"mels": self.clips.mels}, names)}


def fit_timbre(clips: Renditions, folder: Path, steps: int = 1200, seed: int = 0) -> Timbre:
    """A timbre network for the instruments of `clips`, by the triplet margin loss on cosine similarity.

    Anchor and positive share the instrument but not the piece; every such triplet of a batch that violates
    the margin counts the same. Half of the clips are equalised, half get noise.

    folder: of the training's state, from which it is continued.

    Raises:
        KeyboardInterrupt: a signal stopped the training; its state is saved.
    """
    members = [np.flatnonzero(clips.instruments == number) for number in np.unique(clips.instruments)]

    def rows(generator: torch.Generator) -> torch.Tensor:
        instruments = torch.randperm(len(members), generator=generator)[:INSTRUMENTS].tolist()
        some = (members[i][torch.randperm(len(members[i]), generator=generator)[:EACH]] for i in instruments)
        return torch.from_numpy(np.concatenate(list(some)))

    def loss(embeddings: torch.Tensor, batch: Examples) -> torch.Tensor:
        return triplet_loss(embeddings, batch.label, batch.piece).expand(len(embeddings))

    task = MetricTask("timbre", _initial(Timbre, seed), clips, clips.instruments, rows, loss)
    return _trained(task, folder, min(INSTRUMENTS, len(members)) * EACH, steps, seed)


def fit_classifier(clips: Renditions, folder: Path, steps: int = 1200, seed: int = 0) -> Classifier:
    """A classifier of the programs of `clips`, by cross-entropy on the same kind of augmented clips.

    folder, errors: as `fit_timbre`.
    """
    programs, classes = np.unique(clips.programs, return_inverse=True)

    def rows(generator: torch.Generator) -> torch.Tensor:
        return torch.randint(len(classes), (BATCH,), generator=generator)

    def loss(answers: torch.Tensor, batch: Examples) -> torch.Tensor:
        return F.cross_entropy(answers, batch.label, label_smoothing=0.05, reduction="none")

    network = _initial(lambda: Classifier(programs.tolist()), seed)
    return _trained(MetricTask("classifier", network, clips, classes, rows, loss), folder, BATCH, steps, seed)


def triplet_loss(embeddings: torch.Tensor, labels: torch.Tensor, pieces: torch.Tensor) -> torch.Tensor:
    """Mean hinge of the triplets that violate `MARGIN`; embeddings: (clips, dim), of length 1."""
    similarity = embeddings @ embeddings.T
    same = labels[:, None] == labels
    anchors, positives = torch.nonzero(same & (pieces[:, None] != pieces), as_tuple=True)
    hinge = (MARGIN + similarity[anchors] - similarity[anchors, positives][:, None]).clamp(min=0)
    hinge = hinge * ~same[anchors]
    return hinge.sum() / (hinge > 0).sum().clamp(min=1)


def augmented(mel: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """mel: (batch, bands, frames) in dB -> the same, half of it equalised and half of it with noise."""

    def draw(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(len(mel), 1, 1, generator=generator)

    band = torch.linspace(0, 1, BANDS)[:, None]
    curve = draw(-LARGEST, LARGEST) * torch.sin(2 * torch.pi * (draw(0.2, 1.5) * band + draw(0, 1)))
    mel = mel + (draw(0, 1) < 0.5) * curve
    noise = mel.amax(dim=(1, 2), keepdim=True) - draw(*NOISE_DB) + draw(-10, 10) * (band - 0.5)
    noisy = (draw(0, 1) < 0.5).flatten()
    mel[noisy] = 10 * (10 ** (mel[noisy] / 10) + 10 ** (noise[noisy] / 10)).log10()
    return mel.maximum(mel.amax(dim=(1, 2), keepdim=True) - RANGE_DB)


@dataclass(frozen=True)
class Accuracy:
    """Shares from 0 to 1 of the clips of one set.

    triplet: of triplets in which two clips of one instrument, of different pieces, are nearer than a third
        one of another instrument.
    nearest: of clips whose instrument's mean embedding, over its clips of other pieces, is the nearest one.
    through_codec: the same for clips that went through the codec, against the clips as they were.
    """

    triplet: float
    nearest: float
    through_codec: float


def accuracy(network: Timbre, clips: Renditions, coded: Renditions) -> Accuracy:
    """How well `network` tells the instruments of `clips` apart; coded: some of the same after the codec."""
    points, coded_points = _embed(network, clips), _embed(network, coded)
    return Accuracy(
        triplet_accuracy(points, clips.instruments, clips.pieces),
        nearest_accuracy(points, clips, points, clips),
        nearest_accuracy(points, clips, coded_points, coded),
    )


def triplet_accuracy(points: np.ndarray, instruments: np.ndarray, pieces: np.ndarray) -> float:
    """Share of all triplets of `points` (clips, dim) in the right order; averaged over anchors, ties half."""
    similarity = points @ points.T
    shares = []
    for row, instrument, piece in zip(similarity, instruments, pieces, strict=True):
        positives = row[(instruments == instrument) & (pieces != piece)]
        negatives = np.sort(row[instruments != instrument])
        if len(positives) and len(negatives):
            below = [np.searchsorted(negatives, positives, side) for side in ("left", "right")]
            shares.append(np.mean(below) / len(negatives))
    return float(np.mean(shares))


def nearest_accuracy(
    references: np.ndarray, reference_clips: Renditions, points: np.ndarray, clips: Renditions
) -> float:
    """Share of `points` (clips, dim) whose nearest mean of the instruments' `references` is the right one.

    The means for a point leave out the references of its own piece. Both sets number instruments alike.
    """
    right = []
    for piece in np.unique(clips.pieces):
        others = reference_clips.pieces != piece
        choices = np.unique(reference_clips.instruments[others])
        means = np.stack(
            [references[others & (reference_clips.instruments == number)].mean(axis=0) for number in choices]
        )
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        asked = clips.pieces == piece
        answers = choices[(points[asked] @ means.T).argmax(axis=1)]
        right += (answers == clips.instruments[asked]).tolist()
    return float(np.mean(right))


@torch.inference_mode()
def classified(network: Classifier, clips: Renditions) -> tuple[float, float]:
    """Shares of `clips` whose program, and whose instrument family, `network` names."""
    answers = torch.cat([network(some.float()).argmax(dim=1) for some in clips.mels.split(BATCH)]).tolist()
    programs = [network.programs[answer] for answer in answers]
    families = [
        family(program) == family(true)
        for program, true in zip(programs, clips.programs.tolist(), strict=True)
    ]
    return float(np.mean(np.array(programs) == clips.programs)), float(np.mean(families))


@torch.inference_mode()
def _embed(network: Timbre, clips: Renditions) -> np.ndarray:
    return torch.cat([network(some.float()) for some in clips.mels.split(BATCH)]).numpy()


def _initial(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def _trained(task: MetricTask, folder: Path, batch_size: int, steps: int, seed: int) -> Any:
    """The task's network after `steps` steps, the learning rate rising to RATE and falling to 0."""
    schedule = Schedule(
        learning_rate=RATE,
        warmup=steps // 10,
        decay=0.9,
        weight_decay=1e-3,
        clip=CLIP,
        ema=0.0,
        seed=seed,
        batch_size=batch_size,
        log_every=100,
        mixed_precision="no",
        trackers=(),
    )
    network = task.modules()["network"]
    if not Loop(task, schedule, steps, folder).run():
        raise KeyboardInterrupt
    return network.cpu().eval().requires_grad_(False)
