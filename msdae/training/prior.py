"""The task of a prior, which is trained on windows of pieces."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn as nn

from msdae import checkpoint, config
from msdae.data import order
from msdae.data.draws import Draws
from msdae.data.pieces import Piece, Splits
from msdae.errors import UserError, printable
from msdae.limits import NOT_NEGATIVE
from msdae.models.priors.base import KIND, Condition, Prior, new
from msdae.models.priors.grid import Grid
from msdae.models.priors.registry import PRIORS
from msdae.progress import Progress, silent
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

logger = logging.getLogger(__name__)
PRODUCT = f"{KIND}.safetensors"
FITTED = 4000  # windows on which `Prior.fit` measures statistics
MEAN_TIMBRE = 0.3  # share of the windows whose timbre is the mean over their piece


@dataclass(frozen=True)
class PriorSchedule(Schedule):
    """How a prior is trained; a field `model` for its sizes is added by `settings_of`.

    steps: how many at most. patience: training ends after so many validations without a better one; 0: never.
    """

    steps: Steps = 3000
    patience: Annotated[int, NOT_NEGATIVE] = 0
    validate_every: Steps = 250
    validation_batches: StepsOrNone = 4
    save_every: Steps = 250
    audio_every: Steps = 10**9
    trackers: Trackers = ("tensorboard",)


@dataclass(frozen=True)
class Windows:
    """A batch of windows of pieces.

    codes: (batch, channels, frames), as `Grid.spread` gives them. start, length: where each window starts in
    its piece, and how long the piece is, in latent frames, (batch,) each. text: vectors of texts, (batch,
    numbers); (batch, 0) for a prior that reads none. names: the pieces' names.
    """

    codes: torch.Tensor
    start: torch.Tensor
    length: torch.Tensor
    text: torch.Tensor
    names: list[str]


def settings_of(kind: str) -> type[PriorSchedule]:
    """The class of the training settings of the prior `kind`: its schedule, and its sizes as `model`.

    Raises:
        UserError: there is no such prior.
    """
    return family_settings(PriorSchedule, PRIORS[kind])


def train(
    kind: str,
    settings: Any,
    pieces: Splits,
    grid: Grid,
    model: str,
    folder: Path,
    provenance: dict[str, Any] | None = None,
    progress: Progress = silent,
) -> bool:
    """Train the prior `kind` in `folder`, continuing what is there; False when a signal stopped it.

    settings: an instance of `settings_of(kind)`. pieces: those of "train" and, to validate on, of "valid".
    grid: of the codes. model: fingerprint of the model whose codes they are.
    provenance: what the header of the prior's file should say of its making.

    Raises:
        UserError: pieces that are shorter than a window; another kind in the folder; as `Loop.run`.
    """
    _require_own(folder / PRODUCT, kind)
    prior = new(kind, settings.model, grid, model, settings.seed)
    task = PriorTask(prior, settings, pieces, provenance)
    some = task.some(FITTED)
    windows = grid.gather(some.codes)
    prior.fit(windows, some.text if prior.texts else None)
    if prior.closed:
        task.finish(folder)
        mean, components = prior.shares(windows)
        text = "%s: the mean is %.0f %% of the mean square of windows, the components are %.0f %% of the rest"
        logger.info(text, kind, 100 * mean, 100 * components)
        return True
    return Loop(task, settings, settings.steps, folder, progress).run()


def _require_own(product: Path, kind: str) -> None:
    """Raise a UserError if the file holds a prior of another kind, which training would replace."""
    if product.exists():
        other = checkpoint.read_header(product, KIND, {"prior": str})["prior"]
        if other != kind:
            raise UserError(f"{printable(product)}: holds a prior {other}; choose another folder with --run")


class PriorTask(Task):
    """Trains a prior on windows of the pieces of "train".

    Raises:
        UserError: no piece is as long as a window, or the pieces lack the texts that the prior reads.
    """

    stage = 0

    def __init__(self, prior: Prior, settings: Any, pieces: Splits, provenance: dict[str, Any] | None = None):
        self.prior, self.settings, self.name = prior, settings, prior.kind
        self.provenance = provenance or {}
        self.train, self.valid = (self._usable(pieces.get(split, ())) for split in ("train", "valid"))
        if not self.train:
            raise UserError(
                f"no piece is as long as a window of {prior.config.window} latent frames; give longer ones, "
                "or set model.window"
            )
        self.networks: dict[str, nn.Module] = {KIND: prior}
        self._pieces = _hash(self.train)

    def _usable(self, pieces: Sequence[Piece]) -> list[Piece]:
        window = self.prior.config.window
        usable = [piece for piece in pieces if piece.frames >= window]
        texts = self.prior.texts
        if texts and any(p.texts is None or p.texts.shape[1] != texts for p in usable):
            raise UserError(f"model.text: is {texts}, and the pieces have no texts of so many numbers")
        return usable

    def batches(self, seed: int, start: int, rank: int, world: int) -> Iterator[Windows]:
        for step in count(start):
            rngs = order.generators(seed, step, self.settings.batch_size, rank, world)
            yield self._batch(self.train, rngs)

    def example(self, clips: int) -> Windows:
        return self.some(clips)

    def some(self, windows: int) -> Windows:
        """A batch of `windows` windows of the pieces of "train"."""
        return self._batch(self.train, order.generators(0, 0, windows))

    def validation(self, rank: int, world: int) -> Iterable[Windows]:
        for number in range(self.settings.validation_batches if self.valid else 0):
            rngs = order.generators(1, number, self.settings.batch_size, rank, world)
            yield self._batch(self.valid, rngs)

    def losses(self, batch: Windows, draws: Draws) -> Losses:
        condition = Condition({}, batch.text if self.prior.texts else None, batch.start, batch.length)
        codes = self.prior.grid.gather(batch.codes)
        with torch.random.fork_rng():
            torch.manual_seed(draws.own_seed)
            return {"denoising": self.networks[KIND](codes, condition, draws)}

    def enough(self, held_out: Sequence[float]) -> bool:
        return settled(held_out, self.settings.patience)

    def same(self) -> dict[str, Any]:
        return {
            "prior": self.name,
            "model": config.to_mapping(self.settings.model),
            "codes": self.prior.model,
            "pieces": self._pieces,
        }

    def finish(self, folder: Path) -> None:
        """Write prior.safetensors."""
        prior, training = self.networks[KIND], recorded(self.settings)
        prior.provenance = {**self.provenance, "pieces": len(self.train), "training": training}
        prior.save(folder / PRODUCT)

    def _batch(self, pieces: Sequence[Piece], rngs: Sequence[np.random.Generator]) -> Windows:
        sizes = np.array([piece.frames for piece in pieces], float)
        chosen = [pieces[rng.choice(len(pieces), p=sizes / sizes.sum())] for rng in rngs]
        window, step = self.prior.config.window, self.prior.grid.step
        starts = [
            step * int(rng.integers((piece.frames - window) // step + 1))
            for rng, piece in zip(rngs, chosen, strict=True)
        ]
        rows = [self._codes(*one) for one in zip(chosen, starts, rngs, strict=True)]
        texts = [self._text(piece, rng) for piece, rng in zip(chosen, rngs, strict=True)]
        lengths = torch.tensor([float(piece.frames) for piece in chosen])
        names = [piece.name for piece in chosen]
        return Windows(torch.cat(rows), torch.tensor(starts).float(), lengths, torch.stack(texts), names)

    def _codes(self, piece: Piece, start: int, rng: np.random.Generator) -> torch.Tensor:
        """A window of codes (1, channels, frames) with the timbre of one window of the piece or the mean."""
        grid, window = self.prior.grid, self.prior.config.window
        codes, mean = {}, rng.random() < MEAN_TIMBRE
        for level, timbres in piece.timbres.items():
            timbre = timbres.mean(dim=0) if mean else timbres[int(rng.integers(len(timbres)))]
            codes[level] = timbre[None, :, None]
        for level, code in piece.melody.items():
            size = grid.levels[level - 1].frames
            codes[level] = code[None, :, start // size : (start + window) // size]
        return grid.spread(codes, window)

    def _text(self, piece: Piece, rng: np.random.Generator) -> torch.Tensor:
        if not self.prior.texts:
            return torch.zeros(0)
        return piece.texts[int(rng.integers(len(piece.texts)))]


def _hash(pieces: Sequence[Piece]) -> str:
    """A hash of the names and codes of pieces."""
    tensors = {
        f"{number}.{part}": tensor
        for number, piece in enumerate(pieces)
        for part, tensor in {**piece.timbres, **piece.melody, "text": piece.texts}.items()
        if tensor is not None
    }
    return checkpoint.fingerprint(tensors, {"names": [piece.name for piece in pieces]})
