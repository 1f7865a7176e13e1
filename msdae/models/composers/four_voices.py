"""A transformer over four voices: one symbol for each voice at each sixteenth, from soprano to bass."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from msdae import limits
from msdae.errors import UserError
from msdae.limits import FRACTION, Range
from msdae.models.composers.base import COMPOSERS, Composer, ComposerSampling, ExcerptBatch, Losses
from msdae.models.composers.rolls import SHIFTS, TEMPO
from msdae.models.composers.settings import require_heads
from msdae.nn.causal import Cache, CausalTransformer
from msdae.symbolic.chorales import VOICES
from msdae.symbolic.notes import Score
from msdae.symbolic.runs import line_of_steps
from msdae.symbolic.tokens import BAR, LINE_REST, STEPS, ordered, part_of_steps, score_of_voices, tied, voices

SYMBOLS, REST, BEGIN = 130, 128, 129  # MIDI pitches and two more symbols
HELD = 32  # steps up to which it is counted how long a note has been held
PLACE = STEPS * BAR  # steps of a bar
KEYS = range(-3, 4)  # semitones by which a piece is transposed to average its likelihood over keys
LEAST = 1e-12  # probability
WIDEST = 1024  # steps of a piece that is continued or filled
CHOICES = 12  # symbols that are tried where a voice is filled in


@dataclass(frozen=True)
class FourVoicesConfig:
    """Sizes of the transformer.

    width: of the features. layers, heads: of attention. dropout: in training.
    window: steps of an excerpt, of four symbols each.
    """

    width: Annotated[int, Range(8, 2048)] = 128
    layers: Annotated[int, Range(1, 48)] = 3
    heads: Annotated[int, Range(1, 64)] = 4
    dropout: Annotated[float, FRACTION] = 0.15
    window: Annotated[int, Range(PLACE, 4096)] = 96

    def __post_init__(self):
        limits.check(self)
        require_heads(self.width, self.heads)


@COMPOSERS.register("four_voices")
class FourVoices(Composer):
    """Each symbol is predicted from all before it: the higher voices of its step, and all earlier steps.

    A likelihood is that of the mean of the probabilities in several keys. Composing uses one key only, which
    is as many times faster.
    """

    kind, voices, likelihood, prompted, guarded = "four_voices", VOICES, True, True, True
    Config = FourVoicesConfig
    schedule = {
        "learning_rate": 1.5e-3,
        "batch_size": 8,
        "steps": 4000,
        "weight_decay": 0.05,
        "warmup": 100,
        "betas": (0.9, 0.98),
        "decay": 0.5,
    }

    def __init__(
        self,
        config: FourVoicesConfig,
        vocabulary: Mapping[str, Any],
        provenance: dict[str, Any] | None = None,
    ):
        super().__init__(config, vocabulary, provenance)
        width = config.width
        self.symbol = nn.Embedding(VOICES * SYMBOLS, width)  # of each voice, its latest one
        self.held = nn.Embedding(VOICES * (HELD + 1), width)  # of each voice, for how long
        self.voice, self.place = nn.Embedding(VOICES, width), nn.Embedding(PLACE, width)
        self.own = nn.Embedding(SYMBOLS, width)
        self.body = CausalTransformer(width, config.layers, config.heads, config.dropout)
        self.head = nn.Linear(2 * width, SYMBOLS)
        for table in (self.symbol, self.own, self.voice, self.place, self.held):
            nn.init.normal_(table.weight, std=0.05)

    def encode(self, score: Score) -> np.ndarray:
        """(steps, 4), high to low."""
        if len(score.parts) != VOICES:
            raise UserError(
                f"a score of {len(score.parts)} parts: {self.kind} needs {VOICES}; give one with as many"
            )
        pitches = voices(score)
        return np.where(pitches == LINE_REST, REST, pitches)

    def excerpt(self, piece: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(window + 1, 4) steps, whose first one is not to be predicted: BEGIN, or what was before."""
        window = self.config.window + 1
        whole = np.concatenate([np.full((1, VOICES), BEGIN), piece])
        start = int(rng.integers(max(1, len(whole) - window + PLACE))) // PLACE * PLACE
        part = whole[start : start + window]
        sounding, shift = part < REST, rng.integers(SHIFTS.start, SHIFTS.stop)
        pitches = part[sounding]
        if len(pitches):
            shift = np.clip(shift, -pitches.min(), REST - 1 - pitches.max())
        part = np.where(sounding, part + shift, part)
        return np.pad(part, ((0, window - len(part)), (0, 0)), constant_values=-1)

    def forward(self, batch: ExcerptBatch, draws: Any) -> Losses:
        losses = self._losses(batch.values)
        counted = (batch.values[:, 1:] >= 0).flatten(1).sum(dim=1)
        return {"symbol": losses.sum(dim=1) / counted}

    def _losses(self, values: torch.Tensor) -> torch.Tensor:
        """values: (batch, steps + 1, 4), -1 outside -> cross-entropies (batch, 4 * steps), 0 outside"""
        logits = self._logits(values.clamp_min(0)).transpose(1, 2)
        return F.cross_entropy(logits, values[:, 1:].flatten(1), ignore_index=-1, reduction="none")

    def _logits(self, values: torch.Tensor) -> torch.Tensor:
        """values: (batch, steps + 1, 4), its first step known -> of the others (batch, 4 * steps, symbols)"""
        latest, held = _context(values)
        return self._predicted(latest, held, torch.arange(latest.shape[1]), None)

    def _predicted(
        self, latest: torch.Tensor, held: torch.Tensor, places: torch.Tensor, cache: Cache | None
    ) -> torch.Tensor:
        """Logits of the symbols at `places`: (batch, length, symbols).

        latest: the latest symbol of each voice before each place, (batch, length, 4). held: for how many
        steps each of these has been held, of the same shape.
        """
        places = places.to(latest.device)
        voices = torch.arange(VOICES, device=latest.device)
        voice = self.voice(places % VOICES)
        x = self.symbol(latest + voices * SYMBOLS).sum(dim=2) + self.held(held + voices * (HELD + 1)).sum(
            dim=2
        )
        features = self.body(x + voice + self.place(places // VOICES % PLACE), cache)
        own = latest.gather(2, (places % VOICES).expand(len(latest), -1)[..., None])[..., 0]
        return self.head(torch.cat([features, self.own(own) + voice], dim=-1))

    def _compose(
        self,
        count: int,
        bars: int,
        generator: torch.Generator,
        prompt: Score | None,
        sampling: ComposerSampling,
    ) -> list[Score]:
        known = np.zeros((0, VOICES), np.int64) if prompt is None else self._given(prompt)
        given = np.full((count, len(known) + bars * PLACE, VOICES), -1)
        given[:, : len(known)] = known
        filled = self._filled(given, generator, sampling)
        if prompt is None:
            return [score_of_voices(_rests(symbols), TEMPO) for symbols in filled]
        return [_continued(prompt, _rests(symbols), len(known)) for symbols in filled]

    def infill(
        self,
        score: Score,
        voice: int,
        generator: torch.Generator,
        sampling: ComposerSampling = ComposerSampling(),
    ) -> Score:
        """The score with a new part in place of its `voice`, 0 (the highest) to 3.

        Each symbol is drawn by what came before it, and by how well its step's lower voices go with it.

        Raises:
            UserError: a score of other than four parts, or a voice that there is not.
        """
        Range(0, VOICES - 1).check(voice, "voice", int)
        given = self._given(score)
        given[:, voice] = -1
        with torch.no_grad():
            filled = self.eval()._filled(given[None], generator, sampling)[0]
        parts = ordered(score)
        parts[voice] = part_of_steps(_rests(filled[:, voice]))
        return replace(score, parts=tuple(part for part in parts if part))

    def _given(self, score: Score) -> np.ndarray:
        symbols = self.encode(score)
        if len(symbols) > WIDEST:
            raise UserError(f"a score of {len(symbols) // PLACE} bars: give at most {WIDEST // PLACE}")
        return symbols

    def _filled(
        self, given: np.ndarray, generator: torch.Generator, sampling: ComposerSampling
    ) -> np.ndarray:
        """`given`, (count, steps, 4), with every -1 replaced by a symbol that is drawn, one after the other.

        All `count` arrays have their -1 at the same places.
        """
        window, count = self.config.window, len(given)
        values = torch.from_numpy(np.concatenate([np.full((count, 1, VOICES), BEGIN), given], axis=1))
        cache, begin = [], 0  # step that the cache begins at
        for step in range(1, values.shape[1]):
            if step - begin > window:
                cache, begin = [], (step - window // 2) // PLACE * PLACE
            for voice in range(VOICES):
                logits = self._last(values[:, begin : step + 1], voice, begin, cache)
                if values[0, step, voice] >= 0:
                    continue
                logits[:, BEGIN] = -torch.inf
                written = [line_of_steps(row) for row in values[:, 1:step, voice].tolist()]
                logits = self._without_copies(logits, written, sampling, held=True)
                if count == 1 and (values[0, step, voice + 1 :] >= 0).any():
                    logits = self._weighed(logits, values[:, begin : step + 1], voice, begin, cache)
                values[:, step, voice] = sampling.draw(logits, generator)
        return values[:, 1:].numpy()

    def _last(self, values: torch.Tensor, voice: int, begin: int, cache: Cache) -> torch.Tensor:
        """Logits (count, symbols) of a voice in the last step; the cache is extended up to there.

        values: (count, steps, 4), from the step `begin` on.
        """
        latest, held = _context(values.clamp_min(0))
        last = (values.shape[1] - 2) * VOICES + voice  # the symbol's place among those that are predicted
        seen = cache[0][0].shape[2] if cache else 0
        wanted = torch.arange(seen, last + 1)
        return self._predicted(latest[:, wanted], held[:, wanted], wanted + begin * VOICES, cache)[:, -1]

    def _weighed(
        self, logits: torch.Tensor, values: torch.Tensor, voice: int, begin: int, cache: Cache
    ) -> torch.Tensor:
        """The logits of the likeliest symbols, each plus those of the step's given lower voices after it."""
        best = logits[0].topk(CHOICES).indices
        rows = values.repeat(CHOICES, 1, 1)
        rows[:, -1, voice] = best
        wide = [(k.expand(CHOICES, -1, -1, -1), v.expand(CHOICES, -1, -1, -1)) for k, v in cache]
        total = torch.log_softmax(logits[0], dim=-1)[best]
        for lower in range(voice + 1, VOICES):
            if values[0, -1, lower] < 0:
                break
            after = torch.log_softmax(self._last(rows, lower, begin, wide), dim=-1)
            total = total + after[:, values[0, -1, lower]]
        return torch.full_like(logits, -torch.inf).index_put((torch.tensor([0]), best), total)

    def _nll(self, score: Score) -> tuple[float, int]:
        piece = torch.from_numpy(np.concatenate([np.full((1, VOICES), BEGIN), self.encode(score)]))
        total, half = 0.0, max(1, self.config.window // 2 // PLACE) * PLACE
        for start in range(0, len(piece) - 1, half):  # each symbol sees half a window at least
            first = max(0, start - half)
            part = piece[first : start + half + 1]
            shares = _over_keys(self._logits(torch.stack([_moved(part, shift) for shift in KEYS])))
            losses = -shares.gather(1, part[1:].flatten()[:, None]).clamp_min(LEAST).log()
            total += float(losses[(start - first) * VOICES :].sum())
        return total, (len(piece) - 1) * VOICES


def _rests(symbols: np.ndarray) -> np.ndarray:
    """Symbols as the pitches of `symbolic.tokens`, where a rest is `LINE_REST`."""
    return np.where(symbols >= REST, LINE_REST, symbols)


def _continued(prompt: Score, pitches: np.ndarray, known: int) -> Score:
    """The score, continued by the pitches of its voices, (steps, 4), from the step `known` on."""
    parts = []
    for voice, part in enumerate(ordered(prompt)):
        drawn = part_of_steps(pitches[known:, voice])
        drawn = [note._replace(onset=note.onset + known / STEPS) for note in drawn]
        parts.append(tied(part, drawn))
    return replace(prompt, parts=tuple(parts))


def _moved(symbols: torch.Tensor, shift: int) -> torch.Tensor:
    """Symbols whose pitches are moved by so many semitones."""
    return symbols.where(symbols >= REST, (symbols + shift).clamp(0, REST - 1))


def _over_keys(logits: torch.Tensor) -> torch.Tensor:
    """The mean over keys of the probabilities of symbols that are not transposed: (length, symbols).

    logits: of the symbols transposed by each of `KEYS`, (keys, length, symbols).
    """
    mean = torch.zeros_like(logits[0])
    for shares, shift in zip(logits.softmax(dim=-1), KEYS, strict=True):
        low, high = max(0, -shift), min(REST, REST - shift)  # pitches that the key has
        mean[:, low:high] += shares[:, low + shift : high + shift] / len(KEYS)
        mean[:, REST:] += shares[:, REST:] / len(KEYS)
    return mean


def _context(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The latest symbol of each voice before each symbol, and for how long it has been held.

    values: (batch, steps + 1, voices) -> (batch, steps * voices, voices) each, for all steps but the first
    """
    count = values.shape[2]
    higher = torch.ones(count, count, dtype=torch.bool, device=values.device).tril(-1)
    pair = (x[:, :, None] for x in (values, _held(values)))
    return tuple(torch.where(higher, x[:, 1:], x[:, :-1]).flatten(1, 2) for x in pair)


def _held(values: torch.Tensor) -> torch.Tensor:
    """For how many steps each voice has had its symbol: (batch, steps, voices) -> the same, 1 to HELD"""
    changed = torch.ones_like(values)
    changed[:, 1:] = values[:, 1:] != values[:, :-1]
    steps = torch.arange(values.shape[1], device=values.device)[:, None]
    began = (changed * steps).cummax(dim=1).values
    return (steps - began + 1).clamp(max=HELD)
