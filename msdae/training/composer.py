"""The task of a composer: excerpts of pieces, and the best weights on pieces that are held out."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch

from msdae import checkpoint, config
from msdae.data import order
from msdae.data.draws import Draws
from msdae.errors import UserError
from msdae.limits import NOT_NEGATIVE
from msdae.models.composers.base import COMPOSERS, KIND, Composer, ExcerptBatch, new
from msdae.progress import Progress, silent
from msdae.symbolic.notes import Score
from msdae.symbolic.pieces import Pieces
from msdae.training.loop import Loop
from msdae.training.task import (
    Losses,
    Schedule,
    Steps,
    StepsOrNone,
    Task,
    Trackers,
    family_settings,
    recorded,
    settled,
)

PRODUCT = f"{KIND}.safetensors"


@dataclass(frozen=True)
class ComposerSchedule(Schedule):
    """How a composer is trained; a field `model` for its sizes is added by `settings_of`.

    steps: how many at most. patience: training ends after so many validations without a better one; 0: never.
    pieces: how many of the training pieces to use, spread evenly; 0: all.
    """

    steps: Steps = 3000
    patience: Annotated[int, NOT_NEGATIVE] = 8
    pieces: StepsOrNone = 0
    log_every: Steps = 50
    validate_every: Steps = 100
    validation_batches: StepsOrNone = 16
    save_every: Steps = 100
    audio_every: Steps = 10**9
    trackers: Trackers = ("tensorboard",)


def settings_of(kind: str) -> type[ComposerSchedule]:
    """The class of the training settings of the composer `kind`: its schedule, and its sizes as `model`.

    Raises:
        UserError: there is no such composer.
    """
    return family_settings(ComposerSchedule, COMPOSERS[kind])


def train(kind: str, settings: Any, pieces: Pieces, folder: Path, progress: Progress = silent) -> bool:
    """Train a composer in `folder`, continuing what is there; False when a signal stopped it.

    settings: of the type `settings_of(kind)`. pieces: of the splits "train" and "valid".

    Raises:
        UserError: pieces that the composer cannot learn from; as `Loop.run`.
    """
    names = list(pieces["train"])
    if 0 < settings.pieces < len(names):
        spread = np.linspace(0, len(names), settings.pieces, endpoint=False).astype(int)
        pieces = {**pieces, "train": {names[place]: pieces["train"][names[place]] for place in spread}}
    composer = new(kind, settings.model, list(pieces["train"].values()), settings.seed)
    task = ComposerTask(composer, settings, pieces, folder)
    return Loop(task, settings, settings.steps, folder, progress).run()


class ComposerTask(Task):
    """Trains a composer on excerpts of the pieces of "train", and writes the weights that are best on "valid"
    to `folder`."""

    stage = 0

    def __init__(self, composer: Composer, settings: Any, pieces: Pieces, folder: Path):
        self.composer, self.settings, self.folder, self.name = composer, settings, folder, composer.kind
        self.train, self.valid = _encoded(composer, pieces["train"]), _encoded(composer, pieces["valid"])
        self.key = checkpoint.fingerprint(
            {name: torch.from_numpy(piece.copy()) for name, piece in self.train.items()}, {}
        )
        self.networks = dict(composer.turns())
        self.terms, self.averaged = {}, {}

    def batches(self, seed: int, start: int, rank: int, world: int) -> Iterator[ExcerptBatch]:
        for step in count(start):
            rngs = order.generators(seed, step, self.settings.batch_size, rank, world)
            yield self._batch(self.train, rngs, step)

    def example(self, clips: int) -> ExcerptBatch:
        return self._batch(self.train, order.generators(0, 0, clips), 0)

    def validation(self, rank: int, world: int) -> Iterable[ExcerptBatch]:
        """The same excerpts every time, each of a piece drawn by its length."""
        self.terms = {}  # forget those of training
        # here the networks have their averaged weights
        self.averaged = {name: t.cpu().clone() for name, t in self.composer.state_dict().items()}
        for number in range(self.settings.validation_batches):
            rngs = order.generators(1, number, self.settings.batch_size, rank, world)
            yield self._batch(self.valid, rngs, 10**9)

    def losses(self, batch: ExcerptBatch, draws: Draws) -> Losses:
        """The losses of the network whose turn is last; the others serve it."""
        return self._losses(list(self.networks)[-1], batch, draws)

    def turns(self) -> dict[str, Callable[[Any, Draws], Losses]]:
        return {name: partial(self._losses, name) for name in self.networks}

    def _losses(self, name: str, batch: ExcerptBatch, draws: Draws) -> Losses:
        for other, network in self.composer.turns().items():
            network.requires_grad_(other == name)
        with torch.random.fork_rng():  # dropout draws from the process's own generator
            torch.manual_seed(draws.own_seed)
            terms = self.networks[name](batch, draws)
        self.terms[name] = {key: term.detach() for key, term in terms.items()}
        return terms

    def details(self, terms: Losses, draws: Draws) -> Losses:
        """The losses of the other turns."""
        others = [name for name in self.terms if name != list(self.networks)[-1]]
        return {f"{name}: {key}": term for name in others for key, term in self.terms[name].items()}

    def enough(self, held_out: Sequence[float]) -> bool:
        """Whether none of the last `patience` validations was better than an earlier one.

        When the latest is the best so far, its averaged weights are written.
        """
        best = self.composer.converges and held_out and held_out[-1] <= min(held_out)
        if best:
            s = self.settings
            self._write(self.averaged, min(len(held_out) * s.validate_every, s.steps))
        return settled(held_out, self.settings.patience)

    def same(self) -> dict[str, Any]:
        return {"composer": self.name, "model": config.to_mapping(self.settings.model), "pieces": self.key}

    def finish(self, folder: Path) -> None:
        """Write the last weights, unless a validation has written better ones."""
        chosen = self.composer.converges and self.settings.validation_batches > 0
        if not chosen or not (folder / PRODUCT).exists():
            self._write(self.composer.state_dict(), self.settings.steps)

    def _write(self, tensors: Mapping[str, torch.Tensor], step: int) -> None:
        copy = type(self.composer)(self.settings.model, self.composer.vocabulary)
        copy.load_state_dict(tensors)
        copy.runs = self.composer.runs
        copy.provenance = {"step": step, "pieces": len(self.train), "training": recorded(self.settings)}
        copy.save(self.folder / PRODUCT)

    def _batch(
        self, pieces: Mapping[str, np.ndarray], rngs: Sequence[np.random.Generator], step: int
    ) -> ExcerptBatch:
        names, sizes = list(pieces), np.array([len(piece) for piece in pieces.values()])
        chosen = [names[rng.choice(len(names), p=sizes / sizes.sum())] for rng in rngs]
        values = [self.composer.excerpt(pieces[name], rng) for name, rng in zip(chosen, rngs, strict=True)]
        return ExcerptBatch(torch.from_numpy(np.stack(values)), torch.full((len(rngs),), step), chosen)


def _encoded(composer: Composer, scores: Mapping[str, Score]) -> dict[str, np.ndarray]:
    pieces = {name: composer.encode(score) for name, score in scores.items() if score.parts}
    pieces = {name: piece for name, piece in pieces.items() if len(piece) > 1}
    if not pieces:
        raise UserError("no piece has notes to learn from; give others with --data")
    return pieces
