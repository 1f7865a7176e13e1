"""A transformer that predicts the next note and its duration: two embeddings, two heads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from msdae import limits
from msdae.limits import FRACTION, Range
from msdae.models.composers import lines
from msdae.models.composers.base import COMPOSERS, Composer, ComposerSampling, ExcerptBatch, Losses
from msdae.models.composers.settings import require_heads
from msdae.nn.causal import Cache, CausalTransformer
from msdae.symbolic.notes import Score
from msdae.symbolic.tokens import BEGIN, END, PITCHES, melody

WIDTH = Range(8, 2048, reason="wider networks are for more music than there is")


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes of the transformer.

    width: of the features. layers, heads: of attention. dropout: in training.
    window: notes of an excerpt; at the most so many are remembered.
    """

    width: Annotated[int, WIDTH] = 128
    layers: Annotated[int, Range(1, 48)] = 4
    heads: Annotated[int, Range(1, 64)] = 4
    dropout: Annotated[float, FRACTION] = 0.1
    window: Annotated[int, Range(4, 8192)] = 256

    def __post_init__(self):
        limits.check(self)
        require_heads(self.width, self.heads)


@COMPOSERS.register("transformer")
class Transformer(Composer):
    """Note and duration of each note of a line, the duration by the note that was chosen."""

    kind, likelihood, prompted, guarded = "transformer", True, True, True
    Config = TransformerConfig
    schedule = {"learning_rate": 1e-3, "batch_size": 16, "steps": 1200, "weight_decay": 0.05, "warmup": 100}

    def __init__(
        self,
        config: TransformerConfig,
        vocabulary: Mapping[str, Any],
        provenance: dict[str, Any] | None = None,
    ):
        super().__init__(config, vocabulary, provenance)
        self.durations = lines.durations(vocabulary)
        width, count = config.width, len(self.durations.ticks)
        self.pitch = nn.Embedding(PITCHES, width)
        self.duration = nn.Embedding(count, width)
        self.place = nn.Embedding(lines.PLACES, width)
        self.body = CausalTransformer(width, config.layers, config.heads, config.dropout)
        self.pitch_head = nn.Linear(width, PITCHES)
        self.duration_head = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, count))
        for table in (self.pitch, self.duration, self.place):
            nn.init.normal_(table.weight, std=0.05)

    @classmethod
    def count(cls, scores: Sequence[Score]) -> dict[str, Any]:
        return lines.count(scores)

    def encode(self, score: Score) -> np.ndarray:
        return lines.encoded(melody(score), self.durations)

    def excerpt(self, piece: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(window + 1, 3); after the end of the piece OUTSIDE."""
        return lines.excerpt(piece, self.config.window + 1, rng)

    def forward(self, batch: ExcerptBatch, draws: Any) -> Losses:
        note, duration = self._losses(batch.values)
        counted = (batch.values[:, 1:, 0] != lines.OUTSIDE).sum(dim=1)
        return {"note": note.sum(dim=1) / counted, "duration": duration.sum(dim=1) / counted}

    def _losses(self, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, length + 1, 3) -> cross-entropies of note and duration, (batch, length) each, 0 outside."""
        before, after = values[:, :-1], values[:, 1:]
        features = self._features(before.clamp_min(0), after[..., 2].clamp_min(0))
        note_logits = self.pitch_head(features)
        duration_logits = self._duration_logits(features, after[..., 0].clamp_min(0))
        note = F.cross_entropy(note_logits.transpose(1, 2), after[..., 0], reduction="none")
        targets = after[..., 1].where(after[..., 0] != END, lines.OUTSIDE)
        return note, F.cross_entropy(duration_logits.transpose(1, 2), targets, reduction="none")

    def _features(
        self, before: torch.Tensor, places: torch.Tensor, cache: Cache | None = None
    ) -> torch.Tensor:
        """before: (batch, length, 3), the notes that are known; places: of those that follow."""
        x = self.pitch(before[..., 0]) + self.duration(before[..., 1]) + self.place(places)
        return self.body(x, cache)

    def _duration_logits(self, features: torch.Tensor, pitches: torch.Tensor) -> torch.Tensor:
        return self.duration_head(torch.cat([features, self.pitch(pitches)], dim=-1))

    def _compose(
        self,
        count: int,
        bars: int,
        generator: torch.Generator,
        prompt: Score | None,
        sampling: ComposerSampling,
    ) -> list[Score]:
        tunes = lines.Tunes(count, bars, prompt, self.durations)
        known = lines.encoded(tunes.given, self.durations)[:-1]
        history = torch.from_numpy(known).repeat(count, 1, 1)
        rows, cache, window = history[:, -self.config.window :], [], self.config.window
        while not tunes.complete:
            if cache and cache[0][0].shape[2] >= window:
                rows, cache = history[:, -(window // 2) :], []
            places = torch.cat([rows[:, 1:, 2], tunes.places()], dim=1)
            features = self._features(rows, places, cache)[:, -1]
            logits = self.pitch_head(features)
            logits[:, [BEGIN, END]] = -torch.inf
            pitches = sampling.draw(self._without_copies(logits, tunes.written, sampling), generator)
            numbers = sampling.draw(self._duration_logits(features, pitches), generator)
            rows = torch.stack([pitches, numbers, tunes.places()[:, 0]], dim=1)[:, None]
            history = torch.cat([history, rows], dim=1)
            tunes.add(pitches, numbers)
        return tunes.scores()

    def _nll(self, score: Score) -> tuple[float, int]:
        piece = torch.from_numpy(self.encode(score))
        total, window = 0.0, self.config.window
        for start in range(0, len(piece) - 1, window // 2):  # each symbol sees half a window at least
            first = max(0, start - window // 2)
            note, duration = self._losses(piece[None, first : start + window // 2 + 1])
            total += float((note + duration)[0, start - first :].sum())
        return total, len(piece) - 1
