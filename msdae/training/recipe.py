"""A recipe: all that a model is made from, its data sets and its training."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

from msdae.data.labels import is_plain_name
from msdae.data.sets.squares import SquaresConfig
from msdae.errors import UserError
from msdae.training.autoencoder import TrainConfig


@dataclass(frozen=True)
class NamedSquares:
    """A data set of squares and the name of its folder."""

    name: str
    squares: SquaresConfig = field(default_factory=SquaresConfig)


@dataclass(frozen=True)
class Recipe:
    """All that a model is made from.

    data: the data sets that it is trained on, all together.
    training: how all of its stages are trained.
    """

    data: tuple[NamedSquares, ...]
    training: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self):
        names = [dataset.name for dataset in self.data]
        if not names or len(set(names)) < len(names):
            raise UserError(f"data is {names}; give one set or more, each with another name")
        if not all(map(is_plain_name, names)):
            raise UserError(f"data is {names}; names are those of folders, without '/' and a dot in front")

    def scaled(
        self,
        scale: float,
        soundfonts: Sequence[str] = (),
        samples: Sequence[str] = (),
        unseen_samples: Sequence[str] = (),
    ) -> "Recipe":
        """The recipe with `scale` times the clips and steps.

        soundfonts: SoundFonts that play in place of the recipe's, each of them equally often.
        samples: libraries of recorded samples that play in all data sets.
        unseen_samples: libraries whose instruments all data sets hold out.
        """
        sets = []
        for dataset in self.data:
            squares = dataclasses.replace(dataset.squares, clips=max(4, round(scale * dataset.squares.clips)))
            if soundfonts:
                squares = dataclasses.replace(squares, soundfonts=tuple(soundfonts), weights=())
            if samples:
                squares = dataclasses.replace(squares, samples=tuple(samples))
            if unseen_samples:
                squares = dataclasses.replace(squares, unseen_samples=tuple(unseen_samples))
            sets.append(NamedSquares(dataset.name, squares))
        training = dataclasses.replace(
            self.training,
            steps=tuple(max(1, round(scale * steps)) for steps in self.training.steps),
            pretrain=round(scale * self.training.pretrain),
            refine=round(scale * self.training.refine),
        )
        return Recipe(tuple(sets), training)
