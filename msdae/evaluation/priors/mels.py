"""Priors over log-mels, compared with the recordings whose captions they are given."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from msdae.data.draws import mix_seed
from msdae.data.sources import ClipLength, SourceFile
from msdae.errors import UserError
from msdae.evaluation.metrics.distance import ssim
from msdae.evaluation.metrics.embeddings import Embedding
from msdae.evaluation.metrics.kernel import kad
from msdae.evaluation.priors.samples import TOGETHER, levelled
from msdae.evaluation.tables import EMPTY, Cell, Table, Value, mean_cell
from msdae.inference.mels import HOP, MEL, RATE, MelSpace
from msdae.inference.wording import described
from msdae.models.priors.base import Condition, Prior
from msdae.models.priors.settings import PriorSampling

ABOUT = (
    "{count} held-out recordings, each compared with what a prior draws from its caption, one window long. "
    "SSIM and MSE: of their log-mels, scaled to 0 to 1. KAD: of their sounds, all by Griffin-Lim, with the "
    "embedding {embedding}. The mean is that of the other recordings."
)


def measurable(prior: Prior) -> bool:
    """Whether `prior` draws log-mels and reads texts."""
    return prior.model.startswith(MEL) and prior.texts > 0


def table(
    priors: dict[str, Prior],
    files: Sequence[SourceFile],
    clip: ClipLength,
    embedding: Embedding,
    sampling: PriorSampling,
    seed: int,
    command: str = "",
    advance: Callable[[int], Any] = lambda samples: None,
) -> Table:
    """A table with three rows for each prior: its samples, other recordings and the mean.

    priors: {name: prior}. files: held-out recordings with labels, from which captions are made.
    advance: is called with the number of recordings that are done.

    Raises:
        UserError: fewer than two recordings are as long as a prior's window.
    """
    rows: list[tuple[Cell, ...]] = []
    counts: set[int] = set()
    for name, prior in priors.items():
        space, frames = MelSpace(prior.model, clip), prior.config.window
        pieces = [p for p in (space.piece(file, described) for file in files) if p.frames >= frames]
        if len(pieces) < 2:
            reason = f"fewer than two held-out recordings last {frames * HOP / RATE:g} s, its window"
            raise UserError(f"{name}: {reason}; give longer ones")
        counts.add(len(pieces))
        mels = torch.stack([piece.melody[1][:, :frames] for piece in pieces])
        texts = torch.stack([piece.texts[0] for piece in pieces])
        drawn = torch.cat(list(_drawn(prior, texts, sampling, seed, advance)))[..., :frames]
        mean = (mels.sum(dim=0) - mels) / (len(mels) - 1)
        about = f"{space.bands} bands, {frames * HOP / RATE:.1f} s"
        distance = Value(_kad(space, mels, drawn, embedding), digits=2)
        rows.append((name, about, *_beside(mels, drawn), distance))
        for title, images in (("another recording", mels.roll(1, 0)), ("mean", mean)):
            rows.append((f"{title}, for {name}", about, *_beside(mels, images), EMPTY))
    header = ("system", "log-mels", "SSIM ↑", "MSE ↓", "KAD ↓")
    about = ABOUT.format(count=" or ".join(map(str, sorted(counts))), embedding=embedding.name)
    return Table("Log-mels of captions", header, tuple(rows), about, command)


def _drawn(
    prior: Prior, texts: torch.Tensor, sampling: PriorSampling, seed: int, advance: Callable[[int], Any]
) -> Iterator[torch.Tensor]:
    sampling, frames = replace(sampling, prior_guidance=(1.0, 1.0)), prior.config.window
    for number, some in enumerate(texts.split(TOGETHER)):
        generator = torch.Generator().manual_seed(mix_seed((seed, number)))
        made = prior.sample(frames, Condition({}, some), generator, None, sampling, len(some))
        yield made[1].cpu()
        advance(len(some))


def _beside(mels: torch.Tensor, others: torch.Tensor) -> tuple[Cell, Cell]:
    """Mean SSIM and MSE of pairs of log-mels (pieces, bands, frames), over the largest value in `mels`."""
    top = float(mels.max())
    pairs = [(a.double().numpy() / top, b.double().numpy() / top) for a, b in zip(mels, others, strict=True)]
    similar = np.array([ssim(a, b, 1.0) for a, b in pairs])
    errors = np.array([np.square(a - b).mean() for a, b in pairs])
    return mean_cell(similar), mean_cell(errors, digits=4)


def _kad(space: MelSpace, mels: torch.Tensor, others: torch.Tensor, embedding: Embedding) -> float:
    sounds = (levelled(torch.stack([space.decode(mel) for mel in group])) for group in (mels, others))
    return kad(*(embedding.embed(group, space.sample_rate).double().numpy() for group in sounds))
