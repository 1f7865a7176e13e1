"""Fitting the timbre network and the instrument classifier, and how good they are."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from tqdm import tqdm

from msdae import codecs
from msdae.evaluation.metrics import classifier, renditions, timbre
from msdae.evaluation.metrics.classifier import Classifier
from msdae.evaluation.metrics.mel import BANDS, RANGE_DB
from msdae.evaluation.metrics.renditions import Plan, Renditions
from msdae.evaluation.metrics.timbre import Timbre
from msdae.evaluation.tables import EMPTY, Cell, Table, Value
from msdae.symbolic import instruments
from msdae.symbolic.instruments import Voice, family
from msdae.synthesis import soundfont

TIMBRE, CLASSIFIER = "timbre.safetensors", "classifier.safetensors"
MARGIN = 0.2  # between the cosine similarities of a triplet
INSTRUMENTS, EACH = 64, 4  # in a batch of triplets
BATCH = 64  # of the classifier
RATE = 2e-3
REPEATS = 8  # of clips through the codec, which are slow to make
LARGEST = 6.0  # dB, of an equaliser's swing
NOISE_DB = (25.0, 75.0)  # below the loudest band


@dataclass(frozen=True)
class MetricConfig:
    """What the metrics' networks are fitted to and checked with.

    clips: of each instrument of the first SoundFont to learn from, half as many of the others';
        coded: further ones of the first SoundFont, through `codec`.

    references: of each instrument to check with; checked: how many of them also go through `codec`.
    """

    clips: int = 48
    coded: int = 3
    references: int = 18
    checked: int = 3
    codec: str = codecs.DEFAULT
    steps: int = 1200
    seed: int = 0


def fit(
    fonts: Sequence[str], config: MetricConfig, clips: Path, out: Path, workers: int | None = None
) -> tuple[Timbre, Classifier]:
    """Fit both networks to the seen programs of `fonts` on training pieces, and write them.

    out: folder for the two files. clips: folder that keeps the rendered clips.

    Raises:
        UserError: as `renditions.render`.
    """
    voices, _ = instruments.voices(fonts, [])
    first = [voice for voice in voices if voice.soundfont == fonts[0]]
    others = [voice for voice in voices if voice.soundfont != fonts[0]]
    plain = _plans(first, "train", config.clips, config.seed)
    plain += _plans(others, "train", config.clips // 2, config.seed)
    coded = _plans(first, "train", config.coded, config.seed + 2, config.codec)
    rendered = renditions.render([*plain, *coded], clips, "learnt from", workers)
    plain_rows, coded_rows = np.split(np.arange(len(rendered.pieces)), [sum(plan.clips for plan in plain)])
    train = rendered.take(np.concatenate([plain_rows, coded_rows.repeat(REPEATS)]))
    network = fit_timbre(train, config.steps, config.seed)
    labeller = fit_classifier(train, config.steps, config.seed)
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
                _plans(voices, "validation", number, config.seed + 1, codec), clips, name, workers
            )
            for number, codec in ((config.references, ""), (config.checked, config.codec))
        )
        rows.append((name, *_row(network, labeller, plain, coded)))
    note = (
        "3 s clips of validation pieces. Nearest: the instrument whose mean embedding over clips of other "
        "pieces is the nearest one is the right one; the same for clips that went through the codec "
        f"{config.codec}."
    )
    header = (
        "instruments",
        "clips",
        "triplets",
        "nearest",
        f"nearest, {config.codec}",
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


def fit_timbre(clips: Renditions, steps: int = 1200, seed: int = 0) -> Timbre:
    """A timbre network for the instruments of `clips`, by the triplet margin loss on cosine similarity.

    Anchor and positive share the instrument but not the piece; every such triplet of a batch that violates
    the margin counts the same. Half of the clips are equalised, half get noise.
    """
    generator = torch.Generator().manual_seed(seed)
    network = _initial(Timbre, seed)
    members = [np.flatnonzero(clips.instruments == number) for number in np.unique(clips.instruments)]
    pieces = torch.from_numpy(np.unique(clips.pieces, return_inverse=True)[1])

    def loss() -> torch.Tensor:
        drawn = torch.randperm(len(members), generator=generator)[:INSTRUMENTS].tolist()
        rows = torch.cat(
            [
                torch.from_numpy(members[i])[torch.randperm(len(members[i]), generator=generator)[:EACH]]
                for i in drawn
            ]
        )
        labels = torch.from_numpy(clips.instruments[rows.numpy()])
        embeddings = network(augmented(clips.mels[rows].float(), generator))
        return triplet_loss(embeddings, labels, pieces[rows])

    return _descend(network, loss, steps, "timbre")


def fit_classifier(clips: Renditions, steps: int = 1200, seed: int = 0) -> Classifier:
    """A classifier of the programs of `clips`, by cross-entropy on the same kind of augmented clips."""
    generator = torch.Generator().manual_seed(seed)
    programs = np.unique(clips.programs)
    network = _initial(lambda: Classifier(programs.tolist()), seed)
    classes = torch.from_numpy(np.searchsorted(programs, clips.programs))

    def loss() -> torch.Tensor:
        rows = torch.randint(len(classes), (BATCH,), generator=generator)
        answers = network(augmented(clips.mels[rows].float(), generator))
        return F.cross_entropy(answers, classes[rows], label_smoothing=0.05)

    return _descend(network, loss, steps, "classifier")


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


def _descend(network: nn.Module, loss: Callable[[], torch.Tensor], steps: int, label: str) -> nn.Module:
    """`network` after `steps` steps of AdamW on `loss`, the learning rate rising to RATE and falling to 0."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=max(2, steps), pct_start=0.1)
    network.train()
    with tqdm(range(steps), desc=label, unit="step") as bar:
        for _ in bar:
            optimizer.zero_grad()
            value = loss()
            value.backward()
            optimizer.step()
            schedule.step()
            bar.set_postfix(loss=f"{value.item():.3f}", refresh=False)
    return network.eval().requires_grad_(False)
