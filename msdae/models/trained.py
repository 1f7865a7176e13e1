"""Finding the trained weights of priors and composers by name: those that ship, or those in a user's file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from msdae import folders
from msdae.errors import UserError, printable
from msdae.registry import Registry

Model = TypeVar("Model")


class Trained(Generic[Model]):
    """Where the weights of a registry's models are found.

    Args:
        registry: the models' classes; its noun begins the names of their files.
        load: reads a model from a file.
        option: the command-line option that names a model, for messages.
    """

    def __init__(self, registry: Registry[type], load: Callable[[Path], Model], option: str):
        self.registry, self.load, self.option = registry, load, option

    def shipped(self) -> list[str]:
        """The models whose trained weights are part of the package."""
        return [kind for kind in self.registry if self.asset(kind).is_file()]

    def asset(self, kind: str) -> Path:
        """The file of a model's trained weights in the package; it need not be there."""
        return folders.ASSETS / f"{self.registry.noun}-{kind.replace('_', '-')}.safetensors"

    def find(
        self, kind: str, trained: str | Path | None = None, train: Callable[[str], str] | None = None
    ) -> Model:
        """The model `kind`: from the file or folder `trained`, or the weights that ship.

        train: makes the line that trains the model `kind`, for the error message.

        Raises:
            UserError: no such model or file; the file is of another model.
        """
        family = self.registry[kind]
        if trained is None and not self.asset(kind).is_file():
            line = f"train it: {train(kind)}" if train else f"give {self.option} one that was trained"
            raise UserError(f"{kind}: no trained weights ship; {line}")
        path = self.asset(kind) if trained is None else Path(trained)
        path = path / f"{self.registry.noun}.safetensors" if path.is_dir() else path
        model: Any = self.load(path)
        if not isinstance(model, family):
            raise UserError(
                f"{printable(path)}: holds a {model.kind}, expected a {kind}; give {self.option} for it"
            )
        return model
