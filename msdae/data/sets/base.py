"""What a data set is to its preparation."""

from pathlib import Path
from typing import ClassVar

from msdae import limits
from msdae.data import parts
from msdae.data.rendering import MOST_BYTES, RenderConfig, claim
from msdae.data.sources import SEEN_SPLITS, ClipLength, SourceFile
from msdae.data.tally import Tally
from msdae.progress import Progress, silent


class DataSet:
    """A kind of data set: how its files are found and labelled and, for some, how they are rendered.

    Attributes:
        holds: a glob pattern of what a rendered folder of this set has, by which `scanning.scan` recognises
            it; "" for a set that is not recognised.
        splits: the splits of a complete set.
        config: settings of the rendering, whose defaults are the default data set; None: nothing is rendered.
        version: of the rendering; it is raised when the same settings give other bytes.
        seconds: measured time in which a clip is rendered and encoded on two cores.
    """

    holds: ClassVar[str] = ""
    splits: ClassVar[tuple[str, ...]] = SEEN_SPLITS
    config: ClassVar[type[RenderConfig] | None] = None
    version: ClassVar[int]
    seconds: ClassVar[float] = 0.02

    @staticmethod
    def scan(
        root: Path, tally: Tally, clip: ClipLength = ClipLength(), progress: Progress = silent
    ) -> dict[str, list[SourceFile]]:
        """The files of each split that is in `root`, in a fixed order; faulty ones are counted in `tally`.

        Raises:
            UserError: `root` does not hold this data set.
        """
        raise NotImplementedError

    @staticmethod
    def work(config: RenderConfig, folder: Path, clip: ClipLength) -> list[parts.Part]:
        """What has to be done to render the data set to `folder`.

        Raises:
            UserError: a SoundFont cannot be read, or has too few notes.
        """
        raise NotImplementedError

    @classmethod
    def render(
        cls,
        config: RenderConfig,
        folder: Path,
        clip: ClipLength = ClipLength(),
        workers: int | None = None,
        progress: Progress = silent,
    ) -> None:
        """Render to `folder` what is not there yet.

        Raises:
            UserError: the folder holds the rendering of other settings, a SoundFont cannot be read, or the
                disk has too little room.
        """
        work = cls.work(config, folder, clip)
        clips = sum(part.weight for part in work if not part.path.exists())
        limits.require_disk(folder, clips * MOST_BYTES, f"rendering {clips} clips")
        claim(folder, cls.version, config, clip)
        parts.complete(work, "render", "clip", workers, progress)
