"""The data sets that can be prepared, by name."""

from pathlib import Path
from typing import ClassVar

from msdae.data.rendering import RenderConfig
from msdae.data.sources import SEEN_SPLITS, ClipLength, SourceFile
from msdae.data.tally import Tally
from msdae.errors import UserError
from msdae.progress import Progress, silent
from msdae.registry import Registry


class DataSet:
    """A kind of data set: how its files are found and labelled and, for some, how they are rendered.

    Attributes:
        splits: the splits that it has where it is complete.
        config: settings of the rendering, whose defaults are the default data set; None: nothing is rendered.
    """

    splits: ClassVar[tuple[str, ...]] = SEEN_SPLITS
    config: ClassVar[type[RenderConfig] | None] = None

    @staticmethod
    def scan(root: Path, tally: Tally, clip: ClipLength = ClipLength()) -> dict[str, list[SourceFile]]:
        """The files of each split that is in `root`, in a fixed order; faulty ones are counted in `tally`.

        Raises:
            UserError: `root` does not hold this data set.
        """
        raise NotImplementedError

    @staticmethod
    def render(
        config: RenderConfig,
        folder: Path,
        clip: ClipLength = ClipLength(),
        workers: int | None = None,
        progress: Progress = silent,
    ) -> None:
        """Render to `folder` what is not there yet.

        Raises:
            UserError: the folder holds the rendering of other settings, or a SoundFont cannot be read.
        """
        raise UserError(f"{folder}: recordings of this data set cannot be rendered; name their folder")


DATASETS: Registry[type[DataSet]] = Registry("data set", "msdae.data.sets")
