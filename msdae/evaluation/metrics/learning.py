"""Fits the timbre network and the instrument classifier, and measures how good they are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from msdae import checkpoint
from msdae.data.draws import CPU, Draws, mix_seed
from msdae.evaluation.metrics import accuracy, classifier, renditions, timbre
from msdae.evaluation.metrics.classifier import Classifier
from msdae.evaluation.metrics.impostors import dressed
from msdae.evaluation.metrics.mel import BANDS, within_range
from msdae.evaluation.metrics.renditions import Plan, Recorded, Renditions
from msdae.evaluation.metrics.settings import CLIPS, MetricConfig, short
from msdae.evaluation.metrics.timbre import Timbre
from msdae.evaluation.tables import EMPTY, Cell, Table, Value
from msdae.nn.layers import seeded
from msdae.progress import Progress, silent
from msdae.symbolic import instruments
from msdae.symbolic.instruments import PROGRAMS, Voice
from msdae.synthesis import soundfont
from msdae.training.loop import Loop
from msdae.training.processes import process_state
from msdae.training.task import Losses, Schedule, Task

TIMBRE, CLASSIFIER = "timbre.safetensors", "classifier.safetensors"
MARGIN = 0.2  # between the cosine similarities of a triplet
INSTRUMENTS, EACH = 64, 4  # in a batch of the timbre network: instruments, and clips of each
BATCH = 64  # clips in a batch of the classifier
RATE, CLIP = 2e-3, 1e3  # the highest learning rate, and the norm at which gradients are clipped
TIMES = 4  # clips of a recorded instrument over those of one of the first SoundFont: they are fewer
OFTEN = 3  # how often a recorded instrument is drawn, relative to another
LARGEST = 6.0  # dB, largest amplitude of a random equaliser's curve
NOISE_DB = (25.0, 75.0)  # how far below the loudest band noise is


def fit(
    fonts: Sequence[str],
    config: MetricConfig,
    clips: Path,
    out: Path,
    workers: int | None = None,
    progress: Progress = silent,
    recorded: Sequence[Recorded] = (),
    device: torch.device = CPU,
) -> tuple[Timbre, Classifier]:
    """Fit both networks to clips of training pieces, and write them; returns them as they are read again.

    fonts: SoundFonts, whose seen programs play. recorded: recorded instruments that play, too.
    clips: folder that keeps the rendered clips.
    out: folder for both files and for the states of their trainings, from which these continue.
    device: to train on, and to run codecs on.

    Raises:
        UserError: as `renditions.render` and `Loop.run`.
        KeyboardInterrupt: a signal stopped the training; its state is saved.
    """
    process_state(device)
    voices = soundfont.able(instruments.voices(fonts, [])[0])
    first = [voice for voice in voices if voice.soundfont == fonts[0]]
    others = [voice for voice in voices if voice.soundfont != fonts[0]]
    half = max(CLIPS.low, config.clips // 2)  # a triplet needs two clips of an instrument
    groups = ((first, config.clips, config.coded), (others, half, 0))
    groups += ((recorded, TIMES * config.clips, TIMES * config.coded),)
    plain, coded = [], []
    for group, number, through in groups:
        plain += _plans(group, "train", number, config.seed, rooms=config.rooms)
        for place, codec in enumerate(config.codecs if through else (), start=2):
            coded += _plans(group, "train", through, config.seed + place, codec, config.rooms)
    train = renditions.render([*plain, *coded], clips, "learnt from", workers, progress, device)
    weights = np.ones(len(train.pieces))
    if coded:  # these are slow to make, so few; an instrument's coded clips are drawn as often as its others
        weights[sum(plan.clips for plan in plain) :] = config.clips / (config.coded * len(config.codecs))
    network = fit_timbre(train, out / "training" / "timbre", config.steps, config.seed, weights)
    labeller = fit_classifier(train, out / "training" / "classifier", config.steps, config.seed, weights)
    provenance = {
        "soundfonts": [[Path(font).name, soundfont.fingerprint(font)] for font in fonts],
        "recorded": [[voice.instrument.name, voice.sampled.fingerprint] for voice in recorded],
        "clips": len(train.pieces),
        "instruments": len(voices) + len(recorded),
        "settings": asdict(config) | {"codecs": [short(codec) for codec in config.codecs]},
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
    recorded: Sequence[Recorded] = (),
    held_out: Sequence[Recorded] = (),
    device: torch.device = CPU,
) -> Table:
    """A table of how well both networks tell instruments apart, on validation pieces.

    A group with a single instrument is left out.

    fonts: SoundFonts; checked are the seen programs of the first one and the held-out programs of all.
    recorded, held_out: recorded instruments that were learnt from, and others.
    clips: folder that keeps the rendered clips. device: to run codecs on.

    Raises:
        UserError: as `renditions.render`.
    """
    seen, unseen = map(soundfont.able, instruments.voices(fonts[:1], fonts))
    groups: dict[str, Sequence[Voice]] = {f"{Path(fonts[0]).name}, seen": seen}
    groups |= {f"{Path(font).name}, held out": [v for v in unseen if v.soundfont == font] for font in fonts}
    groups |= {"recorded, learnt from": recorded, "recorded, held out": held_out}
    plain = ("", config.references, "", 0.0)
    kinds = [(short(codec), config.checked, codec, 0.0) for codec in config.codecs]
    kinds.append(("in a room", config.checked, "", 1.0))
    plans = {
        (name, kind): _plans(voices, "validation", number, config.seed + 1, codec, rooms)
        for name, voices in groups.items()
        for kind, number, codec, rooms in (plain, *kinds)
        if len(voices) > 1
    }

    def rendered(some: Sequence[Plan]) -> Renditions:
        return renditions.render(some, clips, "checked with", workers, progress, device)

    rendered([plan for some in plans.values() for plan in some])  # all at once, by the same processes
    rows = []
    for name in dict.fromkeys(name for name, _ in plans):
        changed = {kind: rendered(plans[name, kind]) for kind, *_ in kinds}
        rows.append((name, *_row(network, labeller, rendered(plans[name, ""]), changed)))
    note = (
        "3 s clips of validation pieces. Nearest: share of clips whose nearest instrument, by its mean "
        "embedding over clips of other pieces, is the right one; also for clips that went through a codec or "
        "are played in rooms, compared with unchanged ones. Deceived: share of clips, given the spectral "
        "envelope of another instrument by an equaliser, that are taken for that instrument."
    )
    nearest = ("nearest", *(f"nearest, {kind}" for kind, *_ in kinds))
    header = ("instruments", "clips", "triplets", *nearest, "deceived ↓", "program", "family")
    return Table("Accuracy of the learnt metrics", header, tuple(rows), note)


def _plans(
    voices: Sequence[Voice], split: str, clips: int, seed: int, codec: str = "", rooms: float = 0.0
) -> list[Plan]:
    return [Plan(voice, split, clips, seed, codec, rooms) for voice in voices]


def _row(
    network: Timbre, labeller: Classifier, plain: Renditions, changed: dict[str, Renditions]
) -> tuple[Cell, ...]:
    shares = accuracy.of(network, plain, changed)
    programs, families = accuracy.classified(labeller, plain)
    known = plain.programs.max() < PROGRAMS  # recorded instruments are numbered anew in each training
    answerable = known and set(plain.programs.tolist()) <= set(labeller.programs)
    return (
        f"{len(plain.programs)} of {len(set(plain.instruments.tolist()))}",
        *map(Value, (shares.triplet, shares.nearest, *shares.changed.values(), shares.deceived)),
        Value(programs) if answerable else EMPTY,
        Value(families) if known else EMPTY,
    )


@dataclass(frozen=True)
class Examples:
    """A batch of clips; each field is (batch,).

    rows: indices of the clips. label: the classes to be told. piece, names: numbers and names of the pieces.
    """

    rows: torch.Tensor
    label: torch.Tensor
    piece: torch.Tensor
    names: list[str]


class MetricTask(Task):
    """Trains a network on augmented clips, which are kept on the device.

    Args:
        labels: the class of each clip, (clips,).
        rows: function of a generator that draws the indices of a batch's clips, (batch,).
        loss: function of the network, the augmented clips (batch, bands, frames), the batch and the draws
            that returns the loss of each clip, (batch,).
    """

    def __init__(
        self,
        name: str,
        network: nn.Module,
        clips: Renditions,
        labels: np.ndarray,
        rows: Callable[[torch.Generator], torch.Tensor],
        loss: Callable[[nn.Module, torch.Tensor, Examples, Draws], torch.Tensor],
    ):
        self.name, self.stage, self.clips, self.rows, self.loss = name, 0, clips, rows, loss
        self.mels = clips.mels
        self.labels = torch.from_numpy(labels)
        self.pieces = torch.from_numpy(np.unique(clips.pieces, return_inverse=True)[1])
        self.networks = {"network": network}
        names = {"pieces": clips.pieces.tolist(), "instruments": clips.instruments.tolist()}
        self.data = checkpoint.fingerprint({"mels": clips.mels}, names)

    def batches(self, seed: int, start: int, rank: int, world: int) -> Iterator[Examples]:
        for step in count(start):
            rows = self.rows(torch.Generator().manual_seed(mix_seed((seed, step))))
            share = len(rows) // world
            rows = rows[rank * share : (rank + 1) * share]
            names = self.clips.pieces[rows.numpy()].tolist()
            yield Examples(rows, self.labels[rows], self.pieces[rows], names)

    def losses(self, batch: Examples, draws: Draws) -> Losses:
        if self.mels.device != batch.rows.device:
            self.mels = self.mels.to(batch.rows.device)
        mel = augmented(self.mels[batch.rows].float(), draws)
        return {"error": self.loss(self.networks["network"], mel, batch, draws)}

    def same(self) -> dict[str, Any]:
        return {"data": self.data}


def fit_timbre(
    clips: Renditions, folder: Path, steps: int = 1200, seed: int = 0, weights: np.ndarray | None = None
) -> Timbre:
    """Fit a timbre network to the instruments of `clips`, by the triplet margin loss on cosine similarity.

    Anchor and positive share the instrument, but not the piece; all triplets of a batch that violate the
    margin have the same weight. Half of the clips are equalised, and half get noise. The negative is a clip
    of another instrument, or an impostor: a clip equalised to the spectral envelope of the anchor's
    instrument. Without impostors the average spectrum would be enough to tell instruments apart, and an
    equalised copy would pass for a swap.

    folder: of the training's state, from which training continues.
    weights: (clips,), how often a clip is drawn, relative to the others of its instrument; by default alike.

    Raises:
        KeyboardInterrupt: a signal stopped the training; its state is saved.
    """
    numbers, counts = np.unique(clips.instruments, return_counts=True)
    each, width = min(EACH, counts.min()), counts.max()
    members, share = torch.zeros(len(numbers), width, dtype=torch.long), torch.zeros(len(numbers), width)
    often = torch.ones(len(numbers))
    for place, number in enumerate(numbers):
        own = np.flatnonzero(clips.instruments == number)
        members[place, : len(own)] = torch.from_numpy(own)
        share[place, : len(own)] = 1.0 if weights is None else torch.from_numpy(weights[own]).float()
        often[place] = OFTEN if clips.programs[own[0]] >= PROGRAMS else 1

    def rows(generator: torch.Generator) -> torch.Tensor:
        chosen = torch.multinomial(often, min(INSTRUMENTS, len(numbers)), generator=generator)
        some = torch.multinomial(share[chosen], each, generator=generator)
        return members[chosen].gather(1, some).flatten()

    def loss(network: nn.Module, mel: torch.Tensor, batch: Examples, draws: Draws) -> torch.Tensor:
        impostors = dressed(mel, mel.roll(each, 0), 1 - draws.uniform(1) / 2)  # of the previous instrument
        embedded, worn = network(torch.cat([mel, impostors])).chunk(2)
        labels, wearing = batch.label, batch.label.roll(each)
        error = triplet_loss(embedded, labels, batch.piece, embedded, labels[:, None] != labels)
        error = error + triplet_loss(embedded, labels, batch.piece, worn, labels[:, None] == wearing)
        return error.expand(len(mel))

    task = MetricTask("timbre", _initial(Timbre, seed), clips, clips.instruments, rows, loss)
    return _trained(task, folder, min(INSTRUMENTS, len(numbers)) * int(each), steps, seed)


def fit_classifier(
    clips: Renditions, folder: Path, steps: int = 1200, seed: int = 0, weights: np.ndarray | None = None
) -> Classifier:
    """Fit a classifier to the programs of `clips`, by cross-entropy on clips augmented alike.

    folder: as in `fit_timbre`. weights: (clips,), how often a clip is drawn; by default all alike.

    Raises:
        KeyboardInterrupt: as `fit_timbre`.
    """
    programs, classes = np.unique(clips.programs, return_inverse=True)
    share = torch.ones(len(classes)) if weights is None else torch.from_numpy(weights).float()

    def rows(generator: torch.Generator) -> torch.Tensor:
        return torch.multinomial(share, BATCH, replacement=True, generator=generator)

    def loss(network: nn.Module, mel: torch.Tensor, batch: Examples, draws: Draws) -> torch.Tensor:
        return F.cross_entropy(network(mel), batch.label, label_smoothing=0.05, reduction="none")

    network = _initial(lambda: Classifier(programs.tolist()), seed)
    return _trained(MetricTask("classifier", network, clips, classes, rows, loss), folder, BATCH, steps, seed)


def triplet_loss(
    embeddings: torch.Tensor,
    labels: torch.Tensor,
    pieces: torch.Tensor,
    others: torch.Tensor,
    wrong: torch.Tensor,
) -> torch.Tensor:
    """Mean hinge loss of the triplets that violate `MARGIN`; 0 if none does.

    Anchor and positive are clips of one label and of different pieces.

    embeddings, labels, pieces: of the clips, (clips, dim) of length 1, (clips,) and (clips,).
    others: embeddings of possible negatives, (others, dim). wrong: bool (clips, others), whether one of them
        is a negative for a clip.
    """
    same = (labels[:, None] == labels) & (pieces[:, None] != pieces)
    anchors, positives = torch.nonzero(same, as_tuple=True)
    near = (embeddings @ embeddings.T)[anchors, positives]
    hinge = (MARGIN + (embeddings @ others.T)[anchors] - near[:, None]).clamp(min=0) * wrong[anchors]
    return hinge.sum() / (hinge > 0).sum().clamp(min=1)


def augmented(mel: torch.Tensor, draws: Draws) -> torch.Tensor:
    """mel: (batch, bands, frames) in dB -> the same; at random, half are equalised, and half get noise."""

    def draw(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * draws.uniform(1, 1)

    band = torch.linspace(0, 1, BANDS, device=mel.device)[:, None]
    curve = draw(-LARGEST, LARGEST) * torch.sin(2 * torch.pi * (draw(0.2, 1.5) * band + draw(0, 1)))
    mel = mel + (draw(0, 1) < 0.5) * curve
    noise = mel.amax(dim=(1, 2), keepdim=True) - draw(*NOISE_DB) + draw(-10, 10) * (band - 0.5)
    noisy = 10 * (10 ** (mel / 10) + 10 ** (noise / 10)).log10()
    mel = torch.where(draw(0, 1) < 0.5, noisy, mel)
    return within_range(mel)


def _initial(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    with seeded(seed):
        return make()


def _trained(task: MetricTask, folder: Path, batch_size: int, steps: int, seed: int) -> Any:
    """The task's network after `steps` steps; the learning rate rises to `RATE`, then falls to 0."""
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
        workers=0,
        trackers=(),
    )
    network = task.modules()["network"]
    if not Loop(task, schedule, steps, folder).run():
        raise KeyboardInterrupt
    return network.cpu().eval().requires_grad_(False)
