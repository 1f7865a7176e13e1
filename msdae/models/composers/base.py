"""What composers share: training on excerpts of pieces, composing, and their files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn as nn

from msdae import checkpoint, config
from msdae.errors import UserError
from msdae.files import reading
from msdae.models.composers.registry import COMPOSERS
from msdae.models.composers.settings import BARS, ComposerSampling
from msdae.models.trained import Trained
from msdae.nn.layers import seeded
from msdae.symbolic.notes import Score
from msdae.symbolic.runs import PITCHES, Runs
from msdae.symbolic.tokens import Line

KIND = "composer"
RUNS = "runs"  # the name of the tensor in a file that holds the runs of the training pieces
HEADER = {"composer": str, "config": dict, "vocabulary": dict, "provenance": dict}
Losses = dict[str, torch.Tensor]


@dataclass(frozen=True)
class ExcerptBatch:
    """A batch of excerpts of pieces.

    values: the excerpts as the composer encodes them, (batch, ...). step: the training's step, (batch,).
    names: the pieces' names.
    """

    values: torch.Tensor
    step: torch.Tensor
    names: list[str]


class Composer(nn.Module):
    """A network that writes scores.

    Args:
        config: its sizes. vocabulary: what was counted in the training pieces, ready for JSON.
        provenance: how the weights came to be.

    Attributes:
        kind: its name. voices: how many voices its training pieces have, 1 or 4.
        Config: the dataclass of its sizes. schedule: the settings of training that differ from the defaults.
        likelihood: whether `nll` is defined. prompted: whether it can continue a score.
        converges: whether a lower loss on held-out pieces means better weights.
        sampled: the settings of `ComposerSampling` that it uses.
        guarded: whether it remembers the runs of notes in its training pieces, and does not copy them.
        runs: these runs; None if they are not known.
    """

    kind: ClassVar[str]
    voices: ClassVar[int] = 1
    Config: ClassVar[type]
    schedule: ClassVar[Mapping[str, Any]] = {}
    likelihood: ClassVar[bool] = False
    prompted: ClassVar[bool] = False
    converges: ClassVar[bool] = True
    sampled: ClassVar[tuple[str, ...]] = ("temperature", "top_p", "copies")
    guarded: ClassVar[bool] = False
    runs: Runs | None = None

    def __init__(self, config: Any, vocabulary: Mapping[str, Any], provenance: dict[str, Any] | None = None):
        super().__init__()
        self.config, self.vocabulary, self.provenance = config, dict(vocabulary), provenance or {}

    # -- training

    @classmethod
    def count(cls, scores: Sequence[Score]) -> dict[str, Any]:
        """The `vocabulary` of these pieces."""
        return {}

    def encode(self, score: Score) -> np.ndarray:
        """A piece as an array of whole numbers, (length, ...)."""
        raise NotImplementedError

    def excerpt(self, piece: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """An excerpt of an encoded piece, for a step of training; all excerpts have the same shape.

        rng: chooses where it begins and how it is transposed.
        """
        raise NotImplementedError

    def turns(self) -> dict[str, nn.Module]:
        """The networks that are trained in turn, by name: modules that map (batch, draws) to the terms of
        their loss, (batch,) each."""
        return {KIND: self}

    def forward(self, batch: ExcerptBatch, draws: Any) -> Losses:
        """The terms of the loss, (batch,) each."""
        raise NotImplementedError

    # -- use

    def compose(
        self,
        bars: int,
        generator: torch.Generator,
        prompt: Score | None = None,
        sampling: ComposerSampling = ComposerSampling(),
    ) -> Score:
        """A score that begins with the prompt, if there is one, and goes on for `bars` bars of four quarters.

        Raises:
            UserError: a number of bars outside of `BARS`; a prompt that cannot be continued.
        """
        return self.compose_many(1, bars, generator, prompt, sampling)[0]

    def compose_many(
        self,
        count: int,
        bars: int,
        generator: torch.Generator,
        prompt: Score | None = None,
        sampling: ComposerSampling = ComposerSampling(),
    ) -> list[Score]:
        """`count` scores at once; see `compose`."""
        BARS.check(bars, "bars", int)
        if prompt is not None and not self.prompted:
            raise UserError(f"--prompt: {self.kind} continues no tune; take {', '.join(prompting())}")
        with torch.no_grad():
            return self.eval()._compose(count, bars, generator, prompt, sampling)

    def _compose(
        self,
        count: int,
        bars: int,
        generator: torch.Generator,
        prompt: Score | None,
        sampling: ComposerSampling,
    ) -> list[Score]:
        raise NotImplementedError

    def _without_copies(
        self, logits: torch.Tensor, written: Sequence[Line], sampling: ComposerSampling, held: bool = False
    ) -> torch.Tensor:
        """The logits, with -inf for pitches that would complete a run copied from a training piece; unchanged
        in rows where no symbol would be left.

        logits: (batch, symbols), MIDI pitches first. written: each line so far. held: see `Runs`.
        """
        if sampling.copies or self.runs is None:
            return logits
        copied = np.stack([self.runs.completed_by(symbols, held) for symbols in written])
        left = logits.clone()
        left[:, :PITCHES][torch.from_numpy(copied)] = -torch.inf
        return left.where(left.isfinite().any(dim=1, keepdim=True), logits)

    def nll(self, score: Score) -> tuple[float, int]:
        """Negative log-likelihood of a piece in nats (of a VAE an upper bound), and its number of symbols.

        Raises:
            UserError: the composer has none, or the piece is not of its kind.
        """
        if not self.likelihood:
            raise UserError(f"{self.kind} has no likelihood; choose another composer")
        with torch.no_grad():
            return self.eval()._nll(score)

    def _nll(self, score: Score) -> tuple[float, int]:
        raise NotImplementedError

    def facts(self, scores: Sequence[Score]) -> dict[str, float]:
        """Further figures of this composer on held-out pieces, {name: value}, for the report."""
        return {}

    # -- files

    def save(self, path: str | Path, half: bool = False) -> None:
        """Write a safetensors file, atomically. half: in half precision."""
        tensors = checkpoint.halved(self.state_dict()) if half else self.state_dict()
        if self.runs is not None:
            tensors[RUNS] = torch.from_numpy(self.runs.hashes)
        header = {
            "composer": self.kind,
            "config": config.to_mapping(self.config),
            "vocabulary": self.vocabulary,
            "provenance": self.provenance,
            RUNS: 0 if self.runs is None else len(self.runs.hashes),
        }
        checkpoint.save(path, KIND, tensors, header)


def new(kind: str, settings: Any, scores: Sequence[Score], seed: int) -> Composer:
    """An untrained composer for pieces like `scores`."""
    family = COMPOSERS[kind]
    with seeded(seed):
        composer = family(settings, family.count(scores))
    composer.runs = Runs.of(scores) if family.guarded else None
    return composer


def load(path: str | Path) -> Composer:
    """The composer in a file that `Composer.save` wrote.

    Raises:
        UserError: no such file, a damaged one, or one of no composer that is known.
    """
    header = checkpoint.read_header(path, KIND, HEADER)
    family = COMPOSERS[header["composer"]]
    settings = config.of_file(family.Config, header["config"], path)
    with reading(path, checkpoint.FIX), torch.device("meta"):
        empty = family(settings, header["vocabulary"], header["provenance"])
        expected = empty.state_dict()
        count = int(header.get(RUNS, 0))  # files of composers that had none yet do not say so
        if count:
            expected[RUNS] = torch.empty(count, dtype=torch.int32)
    checkpoint.require_tensors(path, expected)
    tensors, _ = checkpoint.load(path, KIND)
    composer = family(settings, header["vocabulary"], header["provenance"])
    if RUNS in tensors:
        composer.runs = Runs(tensors.pop(RUNS).numpy())
    return checkpoint.restore(composer, tensors, path, checkpoint.FIX)


def prompting() -> list[str]:
    """The composers that continue a score."""
    return [kind for kind in COMPOSERS if COMPOSERS[kind].prompted]


_trained = Trained(COMPOSERS, load, "--model")
shipped, asset, find = _trained.shipped, _trained.asset, _trained.find
