"""A grid: the codes of all levels as one tensor over latent frames."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch

from msdae.errors import UserError
from msdae.models.autoencoder import Autoencoder

Timeline = Mapping[int, torch.Tensor]  # {level: (batch, channels, code frames)}, levels from 1; see `Grid`


@dataclass(frozen=True)
class Level:
    """The shape of a level's code.

    channels: how many it has. frames: how many latent frames a code frame lasts; 0: one code frame stands for
        the whole piece.
    """

    channels: int
    frames: int


@dataclass(frozen=True)
class Grid:
    """The codes of several levels side by side at the latent's rate; coarser ones are repeated.

    levels: of the model, coarse to fine.
    """

    levels: tuple[Level, ...]

    @staticmethod
    def of(model: Autoencoder) -> "Grid":
        """The grid of a model's codes.

        Raises:
            UserError: no level has a code that changes with time.
        """
        c = model.config
        sizes = zip(c.code_channels, c.inject, model.pooled, strict=False)  # up to the model's stage
        levels = tuple(Level(channels, 0 if pooled else 2**depth) for channels, depth, pooled in sizes)
        if not any(level.frames for level in levels):
            raise UserError("a prior needs codes over time; this model has none but pooled ones")
        return Grid(levels)

    @property
    def channels(self) -> int:
        """Channels of all levels together."""
        return sum(level.channels for level in self.levels)

    @property
    def step(self) -> int:
        """The smallest number of latent frames in which every level has whole code frames."""
        return math.lcm(*(level.frames for level in self.levels if level.frames))

    @property
    def pooled(self) -> tuple[int, ...]:
        """The levels that have one code for the whole piece: the timbre."""
        return tuple(number for number, level in enumerate(self.levels, 1) if not level.frames)

    @property
    def timed(self) -> tuple[int, ...]:
        """The levels whose codes change over time: the melody."""
        return tuple(number for number, level in enumerate(self.levels, 1) if level.frames)

    def parts(self) -> list[slice]:
        """Which of all channels belong to each level."""
        ends = list(accumulate(level.channels for level in self.levels))
        return [slice(end - level.channels, end) for end, level in zip(ends, self.levels, strict=True)]

    @property
    def timbre(self) -> list[int]:
        """Which of all channels belong to the pooled levels."""
        pairs = zip(self.levels, self.parts(), strict=True)
        return [
            channel for level, part in pairs if not level.frames for channel in range(part.start, part.stop)
        ]

    def spread(self, codes: Timeline, frames: int) -> torch.Tensor:
        """Codes of all levels -> (batch, channels, frames). frames: a multiple of `step`."""
        parts = [self.repeated(number, codes[number], frames) for number in range(1, len(self.levels) + 1)]
        return torch.cat(parts, dim=1)

    def repeated(self, number: int, code: torch.Tensor, frames: int) -> torch.Tensor:
        """The code of one level at the latent's rate: (batch, channels, frames)."""
        level = self.levels[number - 1]
        return code.repeat_interleave(level.frames, dim=-1) if level.frames else code.expand(-1, -1, frames)

    def gather(self, x: torch.Tensor) -> dict[int, torch.Tensor]:
        """The inverse of `spread`: each code frame is the mean of the latent frames that it covers."""
        codes = {}
        for number, part in enumerate(x.split([level.channels for level in self.levels], dim=1), 1):
            size = self.levels[number - 1].frames or x.shape[-1]
            codes[number] = part.unflatten(-1, (-1, size)).mean(dim=-1)
        return codes

    def project(self, x: torch.Tensor) -> torch.Tensor:
        """The tensor nearest to x, (batch, channels, frames), that `spread` can give."""
        return self.spread(self.gather(x), x.shape[-1])

    def by_channel(self, by_level: torch.Tensor) -> torch.Tensor:
        """Values of levels, repeated for their channels: (batch, levels, ...) -> (batch, channels, ...)"""
        counts = torch.tensor([level.channels for level in self.levels], device=by_level.device)
        return by_level.repeat_interleave(counts, dim=1)

    def shapes(self, frames: int) -> Sequence[tuple[int, int]]:
        """(channels, code frames) of each level for so many latent frames."""
        return [(level.channels, frames // level.frames if level.frames else 1) for level in self.levels]
