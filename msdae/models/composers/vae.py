"""A variational autoencoder of piano rolls, with a recurrent encoder and a decoder without recurrence."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from msdae import limits
from msdae.limits import NOT_NEGATIVE, Range
from msdae.models.composers import rolls
from msdae.models.composers.base import COMPOSERS, Composer, ComposerSampling, ExcerptBatch, Losses
from msdae.models.composers.settings import SERIES
from msdae.symbolic import tokens
from msdae.symbolic.chorales import VOICES
from msdae.symbolic.notes import Score
from msdae.symbolic.tokens import BAR, bar_count, roll, score_of_roll

LOW, HIGH = 36, 84  # MIDI pitches of a roll
STEPS = 2 * rolls.PER_BAR  # of a roll: two bars
SOUNDS = 0.4  # probability above which a note sounds
KEPT = 0.7  # correlation of the codes of neighbouring phrases
ACTIVE = 0.01  # a number of the code is in use if its mean varies more over pieces (Burda et al. 2016)


@dataclass(frozen=True)
class VAEConfig:
    """Sizes of the autoencoder, and its loss.

    channels: of the convolutions. hidden: features of the GRU in each direction. latent: size of a code.
    decoder: features between the decoder's two layers.
    free: nats of divergence that each number of a code may have at no cost.
    weight: of the divergence in the loss; 1 gives the bound. warmup: steps in which it grows to that.
    """

    channels: Annotated[int, Range(1, 2048)] = 96
    hidden: Annotated[int, Range(1, 2048)] = 96
    latent: Annotated[int, Range(1, 1024)] = 64
    decoder: Annotated[int, Range(1, 8192)] = 512
    free: Annotated[float, NOT_NEGATIVE] = 0.1
    weight: Annotated[float, NOT_NEGATIVE] = 0.3
    warmup: Annotated[int, NOT_NEGATIVE] = 600

    def __post_init__(self):
        limits.check(self)


@COMPOSERS.register("vae")
class VAE(Composer):
    """Two bars as a code of independent normal numbers, and back."""

    kind, voices, likelihood = "vae", VOICES, True
    sampled = ("temperature",)
    Config = VAEConfig
    schedule = {"learning_rate": 1e-3, "batch_size": 64, "steps": 5000, "warmup": 50, "weight_decay": 0.01}

    def __init__(
        self, config: VAEConfig, vocabulary: Mapping[str, Any], provenance: dict[str, Any] | None = None
    ):
        super().__init__(config, vocabulary, provenance)
        c, pitches = config, HIGH - LOW
        self.convs = nn.Sequential(
            nn.Conv1d(pitches, c.channels, 3, padding=1),
            nn.GELU(),
            nn.Conv1d(c.channels, c.channels, 4, stride=2, padding=1),
            nn.GELU(),
        )
        self.recurrent = nn.GRU(c.channels, c.hidden, batch_first=True, bidirectional=True)
        self.code = nn.Linear(2 * c.hidden, 2 * c.latent)
        self.decoder = nn.Sequential(
            nn.Linear(c.latent, c.decoder), nn.ReLU(), nn.Linear(c.decoder, STEPS * pitches)
        )

    def encode(self, score: Score) -> np.ndarray:
        """(steps, pitches) of 0 and 1."""
        length = max(1, bar_count(score)) * rolls.PER_BAR
        return roll(score, length, LOW, HIGH).astype(np.int8)

    def excerpt(self, piece: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(32, 48): two bars."""
        return rolls.cut(piece, STEPS, rng)

    def codes(self, active: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Rolls (batch, 32, 48) to mean and log-variance of their codes, (batch, latent) each."""
        features = self.convs(active.float().transpose(1, 2)).transpose(1, 2)
        _, last = self.recurrent(features)
        mean, log_variance = self.code(torch.cat([last[0], last[1]], dim=-1)).chunk(2, dim=-1)
        return mean, log_variance.clamp(-12, 4)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """(batch, latent) -> logits (batch, 32, 48)"""
        return self.decoder(codes).unflatten(-1, (STEPS, -1))

    def forward(self, batch: ExcerptBatch, draws: Any) -> Losses:
        """The cross-entropy, and the divergence above its free nats, both in nats a step of the roll; the
        divergence's weight grows during the first steps of training."""
        mean, log_variance = self.codes(batch.values)
        logits = self.decode(mean + (log_variance / 2).exp() * draws.normal(self.config.latent))
        divergence = _divergence(mean, log_variance).clamp_min(self.config.free).sum(dim=1)
        weight = self.config.weight * (batch.step.float() / max(1, self.config.warmup)).clamp(max=1)
        return {
            "reconstruction": _cross_entropy(logits, batch.values) / STEPS,
            "divergence": weight * divergence / STEPS,
        }

    def _compose(
        self,
        count: int,
        bars: int,
        generator: torch.Generator,
        prompt: Score | None,
        sampling: ComposerSampling,
    ) -> list[Score]:
        shape = (count, self.config.latent)
        code, active = torch.randn(shape, generator=generator), []
        for _ in range(-(-bars // 2)):
            active.append(self._active(sampling.temperature * code))
            fresh = torch.randn(shape, generator=generator)
            code = KEPT * code + (1 - KEPT**2) ** 0.5 * fresh
        return [rolls.joined([part[row] for part in active], LOW, bars, VOICES) for row in range(count)]

    @torch.no_grad()
    def between(self, first: Score, last: Score, count: int) -> list[Score]:
        """`count` scores of two bars on the way from the beginning of one score to that of another.

        Both ends are included. Empty bars before the first note are left out.

        Raises:
            UserError: fewer than two, or too many.
        """
        SERIES.check(count, "count", int)
        codes = self.eval().codes(torch.stack([self._beginning(score) for score in (first, last)]))[0]
        strengths = torch.linspace(0, 1, count)[:, None]
        return self._scores(torch.lerp(codes[:1], codes[1:], strengths))

    @torch.no_grad()
    def mixed(self, first: Score, second: Score, numbers: Sequence[int]) -> Score:
        """Style mixing: the beginning of `first`, with the numbers of its code at the places `numbers` taken
        from the code of `second`."""
        codes = self.eval().codes(torch.stack([self._beginning(score) for score in (first, second)]))[0]
        codes[0, list(numbers)] = codes[1, list(numbers)]
        return self._scores(codes[:1])[0]

    @torch.no_grad()
    def facts(self, scores: Sequence[Score]) -> dict[str, float]:
        """How much of the code is in use: how many of its numbers have a mean that varies over pieces (of two
        pieces or more), and the mean divergence in nats."""
        active = torch.stack([self._beginning(score) for score in scores])
        mean, log_variance = self.eval().codes(active)
        divergence = {"divergence, nats": float(_divergence(mean, log_variance).sum(dim=1).mean())}
        if len(scores) < 2:
            return divergence
        return {"active units": float((mean.var(dim=0) > ACTIVE).sum()), **divergence}

    def _nll(self, score: Score) -> tuple[float, int]:
        """The evidence bound of a piece by one draw of each code; symbols count as those of four voices."""
        piece = torch.from_numpy(self.encode(score))
        piece = F.pad(piece, (0, 0, 0, -len(piece) % STEPS)).unflatten(0, (-1, STEPS))
        mean, log_variance = self.codes(piece)
        fresh = torch.randn(mean.shape, generator=torch.Generator().manual_seed(0))
        logits = self.decode(mean + (log_variance / 2).exp() * fresh)
        nats = _cross_entropy(logits, piece) + _divergence(mean, log_variance).sum(dim=1)
        return float(nats.sum()), math.ceil(score.quarters * tokens.STEPS - 1e-6) * VOICES

    def _beginning(self, score: Score) -> torch.Tensor:
        """The roll of two bars of a score, from the first in which a note begins."""
        begin = min((note.onset for part in score.parts for note in part), default=0.0) // BAR * BAR
        parts = ([note._replace(onset=note.onset - begin) for note in part] for part in score.parts)
        return torch.from_numpy(roll(Score(tuple(parts)), STEPS, LOW, HIGH))

    def _active(self, codes: torch.Tensor) -> np.ndarray:
        return (self.decode(codes).sigmoid() > SOUNDS).numpy()

    def _scores(self, codes: torch.Tensor) -> list[Score]:
        return [score_of_roll(active, LOW, rolls.TEMPO, VOICES) for active in self._active(codes)]


def _divergence(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """Kullback-Leibler divergence of each number from the standard normal."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def _cross_entropy(logits: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
    losses = F.binary_cross_entropy_with_logits(logits, active.float(), reduction="none")
    return losses.flatten(1).sum(dim=1)
