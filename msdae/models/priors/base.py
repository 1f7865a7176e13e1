"""What all priors share: the interface, drawing window by window, and files.

A prior is a distribution of a model's codes: of timbre (the pooled levels, with one code a piece) and of
melody (the other levels). `grid.Grid` puts the codes of all levels side by side at the latent's rate.
Codes that are given are kept by a mask, and the others are drawn around them.
A piece of any length is drawn window by window. Each window begins with the end of the one before it, and is
told its place in the piece. The model's denoiser renders the codes as it renders those of a recording.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn as nn

from msdae import checkpoint, config
from msdae.errors import UserError
from msdae.files import reading
from msdae.models.priors.grid import Grid, Level, Timeline
from msdae.models.priors.registry import PRIORS
from msdae.models.priors.settings import PriorSampling
from msdae.models.trained import Trained
from msdae.nn.layers import seeded

KIND = "prior"
HEADER = {"prior": str, "config": dict, "levels": list, "model": str, "provenance": dict}
SMALLEST = 1e-3  # share of a level's largest variance below which a variance is noise
FACTS = 3  # numbers that tell a window its place in the piece, see `facts_of`


@dataclass(frozen=True)
class Condition:
    """What is known of pieces; each row of a batch is one piece.

    codes: the codes of the levels that are given, of any length; a batch of one holds for all pieces.
    text: vectors of texts, (batch, numbers), zeros for a piece without one.
    start, length: where a window starts in its piece, and how long the piece is, in latent frames, (batch,)
        each; only `loss` needs them.
    """

    codes: Timeline = field(default_factory=dict)
    text: torch.Tensor | None = None
    start: torch.Tensor | None = None
    length: torch.Tensor | None = None


@dataclass(frozen=True)
class Window:
    """A window that is to be drawn.

    y: standardised codes, (batch, channels, frames), where they are known; elsewhere any numbers.
    known: where they are known, (batch, levels, frames) bool.
    facts: the window's place, (batch, FACTS). text: vectors of texts, (batch, numbers).
    """

    y: torch.Tensor
    known: torch.Tensor
    facts: torch.Tensor
    text: torch.Tensor | None


class Prior(nn.Module):
    """A distribution of codes.

    Args:
        config: its sizes; `window` is the number of latent frames that are drawn at once.
        grid: how the codes of all levels lie side by side. model: fingerprint of the model of these codes.
        provenance: how the prior came to be.

    Attributes:
        kind: its name. Config: the dataclass of its sizes. schedule: the settings of training that differ
            from the defaults.
        closed: whether `fit` is all of its training.

    Raises:
        UserError: a window in which levels have no whole code frames.
    """

    kind: ClassVar[str]
    Config: ClassVar[type]
    schedule: ClassVar[Mapping[str, Any]] = {}
    closed: ClassVar[bool] = False

    def __init__(self, config: Any, grid: Grid, model: str, provenance: dict[str, Any] | None = None):
        super().__init__()
        self.config, self.grid, self.model, self.provenance = config, grid, model, provenance or {}
        if config.window % grid.step:
            raise UserError(f"window: is {config.window}, expected a multiple of {grid.step}")
        self.register_buffer("mean", torch.zeros(grid.channels, 1))
        self.register_buffer("white", torch.eye(grid.channels))  # the whitening matrix of `standardised`
        self.register_buffer("colour", torch.eye(grid.channels))  # its inverse

    @property
    def texts(self) -> int:
        """The size of the vectors of texts that it reads; 0: it reads none."""
        return getattr(self.config, "text", 0)

    # -- training

    def fit(self, codes: Timeline, texts: torch.Tensor | None = None) -> None:
        """Measure the statistics of windows of codes.

        Here these are the mean and, within each level, the covariance of the channels. `standardised` uses
        them to make the channels independent while it changes them as little as possible (ZCA, Bell and
        Sejnowski 1997).

        texts: vectors of a text for each window, (windows, numbers).
        """
        x = self.grid.spread(codes, self.config.window).double()
        for part in self.grid.parts():
            rows = x[:, part].transpose(0, 1).flatten(1)
            self.mean[part], self.white[part, part], self.colour[part, part] = self._standard(rows)

    def _standard(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean, whitening matrix and its inverse for the channels of one level: (channels, points) ->
        (channels, 1), and twice (channels, channels)"""
        variances, axes = torch.linalg.eigh(self._covariance(rows))
        deviations = variances.clamp_min(float(variances.max()) * SMALLEST + 1e-6).sqrt()
        return rows.mean(dim=1, keepdim=True), (axes / deviations) @ axes.T, (axes * deviations) @ axes.T

    def _covariance(self, rows: torch.Tensor) -> torch.Tensor:
        """The covariance by which the channels of a level are whitened: (channels, points) -> (channels,
        channels)"""
        return torch.cov(rows)

    def standardised(self, x: torch.Tensor) -> torch.Tensor:
        """Codes as on the grid, (batch, channels, frames), as numbers of unit variance, of the same shape."""
        return self.white @ (x - self.mean)

    def restored(self, x: torch.Tensor) -> torch.Tensor:
        """The inverse of `standardised`."""
        return self.colour @ x + self.mean

    def loss(self, codes: Timeline, condition: Condition, draws: Any) -> torch.Tensor:
        """The loss of each window, (batch,). codes: those of all levels. condition: texts, places.

        draws: `msdae.data.draws.Draws` of the batch.
        """
        raise NotImplementedError

    def forward(self, codes: Timeline, condition: Condition, draws: Any) -> torch.Tensor:
        """`loss`: what several processes and mixed precision wrap is a module's forward."""
        return self.loss(codes, condition, draws)

    # -- use

    @torch.no_grad()
    def sample(
        self,
        frames: int,
        condition: Condition,
        generator: torch.Generator,
        prefix: Timeline | None = None,
        sampling: PriorSampling = PriorSampling(),
        count: int = 1,
    ) -> dict[int, torch.Tensor]:
        """Codes of `count` pieces of `frames` latent frames, rounded up to whole steps of the grid.

        condition: what is known of the pieces; codes that are given are returned as they are.
        prefix: codes of the music that the pieces continue; they are not returned.

        Raises:
            UserError: all levels are given; a text is given to a prior that reads none; another window is
                asked for than the only one that the prior draws.
        """
        self.eval()
        if condition.text is not None and not self.texts:
            raise UserError(f"--text: the prior {self.kind} reads none; give one that does")
        if sampling.window and self.closed:
            raise UserError(f"--window: the prior {self.kind} draws windows of {self.config.window} alone")
        pending = [level for level in range(1, len(self.grid.levels) + 1) if level not in condition.codes]
        if not pending:
            raise UserError(
                "timbre and melody are both given, and nothing is left to generate; leave one out"
            )
        if set(self.grid.pooled) <= set(pending):
            drawn = self.timbre(condition.text, count, generator, sampling)
            condition = replace(condition, codes={**condition.codes, **drawn})
            pending = [level for level in pending if level not in drawn]
        frames += -frames % self.grid.step
        if not pending:
            return {level: code.expand(count, -1, -1) for level, code in condition.codes.items()}
        before = self._before(prefix, sampling, count)
        given = self._given(condition, frames, before, count)
        piece = _Piece(self, given, condition.text, generator, sampling, count)
        x = piece.middle(frames) if set(pending) <= set(self.grid.pooled) else piece.all(before, frames)
        codes = self.grid.gather(self.restored(x))
        return {**codes, **{level: code.expand(count, -1, -1) for level, code in condition.codes.items()}}

    def timbre(
        self, text: torch.Tensor | None, count: int, generator: torch.Generator, sampling: PriorSampling
    ) -> Timeline:
        """Codes of the pooled levels, (count, channels, 1) each; {} if they are drawn with the others."""
        return {}

    def size(self, sampling: PriorSampling) -> int:
        """Latent frames that are drawn at once, in whole steps of the grid and of the network."""
        step = math.lcm(self.grid.step, getattr(self.config, "patch", 1))
        return step * math.ceil((sampling.window or self.config.window) / step)

    def _before(self, prefix: Timeline | None, sampling: PriorSampling, count: int) -> torch.Tensor:
        """The standardised end of the prefix, as long as what a window keeps: (count, channels, frames)."""
        empty = self.mean.new_zeros(count, self.grid.channels, 0)
        if not prefix:
            return empty
        kept = kept_frames(self.size(sampling), self.grid.step, sampling.keep)
        lengths = [prefix[level].shape[-1] * self.grid.levels[level - 1].frames for level in self.grid.timed]
        kept = min(kept, min(lengths) // self.grid.step * self.grid.step)
        if not kept:
            return empty
        ends = {k: prefix[k][..., -(kept // self.grid.levels[k - 1].frames) :] for k in self.grid.timed}
        for k in self.grid.pooled:
            ends[k] = prefix.get(k, self.mean.new_zeros(1, self.grid.levels[k - 1].channels, 1))
        x = self.grid.spread({k: code.to(self.mean) for k, code in sorted(ends.items())}, kept)
        return self.standardised(x).expand(count, -1, -1)

    def _given(
        self, condition: Condition, frames: int, before: torch.Tensor, count: int
    ) -> dict[int, torch.Tensor]:
        """Standardised codes of the given levels at the latent's rate, preceded by those in `before`."""
        given = {}
        for number, (level, part) in enumerate(zip(self.grid.levels, self.grid.parts(), strict=True), 1):
            if (code := condition.codes.get(number)) is None:
                continue
            x = self.grid.repeated(number, code.to(self.mean), frames)[..., :frames]
            x = torch.cat([x, x[..., -1:].expand(-1, -1, frames - x.shape[-1])], dim=-1)
            x = (self.white[part, part] @ (x - self.mean[part])).expand(count, -1, -1)
            ahead = before[:, part] if level.frames else x[..., :1].expand(-1, -1, before.shape[-1])
            given[number] = torch.cat([ahead, x], dim=-1)
        return given

    def _window(self, window: Window, generator: torch.Generator, sampling: PriorSampling) -> torch.Tensor:
        """The window with all unknown codes drawn: standardised, (batch, channels, frames)."""
        raise NotImplementedError

    # -- files

    def save(self, path: str | Path, half: bool = False) -> None:
        """Write a safetensors file, atomically. half: in half precision."""
        tensors = checkpoint.halved(self.state_dict()) if half else self.state_dict()
        header = {
            "prior": self.kind,
            "config": config.to_mapping(self.config),
            "levels": [[level.channels, level.frames] for level in self.grid.levels],
            "model": self.model,
            "provenance": self.provenance,
        }
        checkpoint.save(path, KIND, tensors, header)

    def require(self, model: str) -> None:
        """Raise a UserError unless the prior is of the model with this fingerprint."""
        if self.model != model:
            raise UserError(
                f"the prior {self.kind} is of another model or codec ({self.model[:12]}, not {model[:12]}); "
                "train one for this model with experiments/train_prior.py, or give its own --checkpoint"
            )


def kept_frames(window: int, step: int, share: float) -> int:
    """How many frames a window keeps of the one before it, in whole steps: never all of its steps and, where
    it has more than one, at least one."""
    return min(window // step - 1, max(1, round(share * window / step))) * step


@dataclass(frozen=True)
class _Piece:
    """Pieces that are drawn window by window, `count` of them at once; arguments as of `Prior.sample`."""

    prior: Prior
    given: Mapping[int, torch.Tensor]
    text: torch.Tensor | None
    generator: torch.Generator
    sampling: PriorSampling
    count: int

    def middle(self, frames: int) -> torch.Tensor:
        """One window from the middle of the piece: enough for codes that do not change with time."""
        size, step = self.prior.size(self.sampling), self.prior.grid.step
        empty = self.prior.mean.new_zeros(self.count, self.prior.grid.channels, 0)
        return self._draw(empty, max(0, (frames - size) // 2 // step * step), frames)

    def all(self, before: torch.Tensor, frames: int) -> torch.Tensor:
        """All windows after `before`: (count, channels, frames)."""
        size, step = self.prior.size(self.sampling), self.prior.grid.step
        kept, total = kept_frames(size, step, self.sampling.keep), before.shape[-1] + frames
        pieces, done, first = [], before.shape[-1], True
        end = before
        while done < total:
            x = self._draw(end, done - end.shape[-1], total, first)
            pieces.append(x[..., end.shape[-1] :])
            done += pieces[-1].shape[-1]
            end, first = x[..., size - kept :], False
        return torch.cat(pieces, dim=-1)[..., :frames]

    def _draw(self, end: torch.Tensor, start: int, total: int, first: bool = True) -> torch.Tensor:
        """The window at `start`, which begins with the end of the one before. first: there is none before."""
        prior, kept = self.prior, end.shape[-1]
        size, grid = prior.size(self.sampling), prior.grid
        y = prior.mean.new_zeros(self.count, grid.channels, size)
        known = torch.zeros(self.count, len(grid.levels), size, dtype=torch.bool, device=y.device)
        y[..., :kept] = end
        known[..., :kept] = True
        for number, (level, part) in enumerate(zip(grid.levels, grid.parts(), strict=True), 1):
            if number in self.given:
                code = self.given[number][..., start : start + size]
                y[:, part, : code.shape[-1]] = code
                y[:, part, code.shape[-1] :] = code[..., -1:]
                known[:, number - 1] = True
            elif not level.frames:  # of a piece there is one, which the first window draws
                y[:, part] = end[:, part, :1] if kept and not first else 0.0
                known[:, number - 1] = bool(kept) and not first
        length = max(total, size)  # training has no pieces shorter than a window
        facts = facts_of(
            *(torch.full((self.count,), float(number), device=y.device) for number in (start, length)), size
        )
        window = Window(y, known, facts, self._text_vectors())
        return prior._window(window, self.generator, self.sampling)

    def _text_vectors(self) -> torch.Tensor | None:
        """The vector of each piece's text, zeros where there is none; None if the prior reads no texts."""
        if not self.prior.texts:
            return None
        if self.text is None:
            return self.prior.mean.new_zeros(self.count, self.prior.texts)
        return self.text.to(self.prior.mean).expand(self.count, -1)


def facts_of(start: torch.Tensor, length: torch.Tensor, window: int) -> torch.Tensor:
    """The place of windows: where each begins and ends in its piece, as shares from 0 to 1, and the logarithm
    of how many windows long the piece is, (batch, FACTS).

    start, length: of the window and the piece, in latent frames, (batch,) each. window: frames of a window.
    """
    return torch.stack([start / length, (start + window) / length, (length / window).log2() / 4], dim=1)


def new(kind: str, settings: Any, grid: Grid, model: str, seed: int) -> Prior:
    """An untrained prior of the codes of a model."""
    family = PRIORS[kind]
    with seeded(seed):
        return family(settings, grid, model)


def load(path: str | Path) -> Prior:
    """The prior in a file that `Prior.save` wrote.

    Raises:
        UserError: no such file, a damaged one, or one of no prior that is known.
    """
    header = checkpoint.read_header(path, KIND, HEADER)
    family = PRIORS[header["prior"]]
    settings = config.of_file(family.Config, header["config"], path)
    with reading(path, checkpoint.FIX):
        grid = Grid(tuple(Level(int(channels), int(frames)) for channels, frames in header["levels"]))
        with torch.device("meta"):
            expected = family(settings, grid, header["model"]).state_dict()
    checkpoint.require_tensors(path, expected)
    tensors, _ = checkpoint.load(path, KIND)
    prior = family(settings, grid, header["model"], header["provenance"])
    return checkpoint.restore(prior, tensors, path, checkpoint.FIX)


_trained = Trained(PRIORS, load, "--prior")
shipped, asset, find = _trained.shipped, _trained.asset, _trained.find
