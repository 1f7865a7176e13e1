"""An LSTM over notes: pitches sampled in time (1D tokens), or pitches with durations (2D tokens)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from msdae import limits
from msdae.limits import FRACTION, Choice, Range
from msdae.models.composers import lines
from msdae.models.composers.base import COMPOSERS, Composer, ComposerSampling, ExcerptBatch, Losses
from msdae.symbolic.notes import Score
from msdae.symbolic.tokens import (
    BEGIN,
    END,
    LINE_REST,
    PITCHES,
    REST,
    SIXTEENTH,
    Durations,
    melody,
    part_of,
    steps,
)

State = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class LSTMConfig:
    """Sizes of the LSTM.

    tokens: "1d", the pitch at each sixteenth, or "2d", pitch and duration of each note.
    embedding, hidden: features. layers: of it. dropout: between them, in training.
    window: symbols of an excerpt, which slides over the pieces.
    """

    tokens: Annotated[str, Choice(("1d", "2d"))] = "2d"
    embedding: Annotated[int, Range(4, 2048)] = 64
    hidden: Annotated[int, Range(4, 2048)] = 256
    layers: Annotated[int, Range(1, 8)] = 2
    dropout: Annotated[float, FRACTION] = 0.2
    window: Annotated[int, Range(4, 16_000)] = 64

    def __post_init__(self):
        limits.check(self)


@COMPOSERS.register("lstm")
class LSTM(Composer):
    """The next symbol by all before it."""

    kind, likelihood, prompted, guarded = "lstm", True, True, True
    Config = LSTMConfig
    schedule = {"learning_rate": 2e-3, "batch_size": 64, "steps": 1500, "warmup": 50}

    def __init__(
        self, config: LSTMConfig, vocabulary: Mapping[str, Any], provenance: dict[str, Any] | None = None
    ):
        super().__init__(config, vocabulary, provenance)
        self.durations, self.timed = lines.durations(vocabulary), config.tokens == "2d"
        count, width = len(self.durations.ticks), config.embedding
        self.pitch = nn.Embedding(PITCHES, width)
        self.duration = nn.Embedding(count, width) if self.timed else None
        dropout = config.dropout if config.layers > 1 else 0.0
        self.body = nn.LSTM(width, config.hidden, config.layers, batch_first=True, dropout=dropout)
        self.pitch_head = nn.Linear(config.hidden, PITCHES)
        self.duration_head = nn.Linear(config.hidden + width, count) if self.timed else None

    @classmethod
    def count(cls, scores: Sequence[Score]) -> dict[str, Any]:
        return lines.count(scores)

    def encode(self, score: Score) -> np.ndarray:
        """(length, 2) of pitch symbol and number of the duration, which is 0 in 1D."""
        symbols = melody(score)
        if self.timed:
            return lines.encoded(symbols, self.durations)[:, :2]
        pitches = steps(part_of(symbols))
        pitches = np.array([BEGIN, *np.where(pitches == LINE_REST, REST, pitches), END])
        return np.stack([pitches, np.zeros_like(pitches)], axis=1)

    def excerpt(self, piece: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(window + 1, 2); after the end of the piece OUTSIDE."""
        return lines.excerpt(piece, self.config.window + 1, rng)

    def forward(self, batch: ExcerptBatch, draws: Any) -> Losses:
        counted = (batch.values[:, 1:, 0] != lines.OUTSIDE).sum(dim=1)
        terms, _ = self._losses(batch.values)
        return {name: term.sum(dim=1) / counted for name, term in terms.items()}

    def _losses(self, values: torch.Tensor) -> tuple[Losses, State]:
        """(batch, length + 1, 2) -> cross-entropies, (batch, length) each, 0 outside; and the last state."""
        after = values[:, 1:]
        features, state = self._features(values[:, :-1].clamp_min(0))
        logits = self.pitch_head(features).transpose(1, 2)
        terms = {"note": F.cross_entropy(logits, after[..., 0], reduction="none")}
        if self.timed:
            logits = self._duration_logits(features, after[..., 0].clamp_min(0)).transpose(1, 2)
            targets = after[..., 1].where(after[..., 0] != END, lines.OUTSIDE)
            terms["duration"] = F.cross_entropy(logits, targets, reduction="none")
        return terms, state

    def _features(self, values: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        x = self.pitch(values[..., 0])
        if self.timed:
            x = x + self.duration(values[..., 1])
        with torch.autocast("cpu", enabled=False):  # many CPUs have no LSTM in bfloat16, and oneDNN raises
            return self.body(x, state)

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
        durations = self.durations if self.timed else Durations((SIXTEENTH,))
        tunes = lines.Tunes(count, bars, prompt, durations)
        known = np.array([[BEGIN, 0]]) if prompt is None else self.encode(prompt)[:-1]
        state, rows = None, torch.from_numpy(known).repeat(count, 1, 1)
        while not tunes.complete:
            features, state = self._features(rows, state)
            logits = self.pitch_head(features[:, -1])
            logits[:, [BEGIN, END]] = -torch.inf
            written = tunes.written if self.timed else [lines.joined(symbols) for symbols in tunes.written]
            pitches = sampling.draw(
                self._without_copies(logits, written, sampling, not self.timed), generator
            )
            numbers = torch.zeros_like(pitches)
            if self.timed:
                numbers = sampling.draw(self._duration_logits(features[:, -1], pitches), generator)
            rows = torch.stack([pitches, numbers], dim=1)[:, None]
            tunes.add(pitches, numbers)
        return tunes.scores(joint=not self.timed)

    def _nll(self, score: Score) -> tuple[float, int]:
        piece = torch.from_numpy(self.encode(score))
        terms, _ = self._losses(piece[None])
        return float(sum(terms.values()).sum()), len(piece) - 1
