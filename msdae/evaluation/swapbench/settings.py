"""Settings of an evaluation on SwapBench."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from msdae import limits
from msdae.errors import UserError
from msdae.inference.settings import Sampling
from msdae.limits import LEARNING, SEED, Range

if TYPE_CHECKING:
    from msdae.evaluation.swapbench.real import Library

RENDERED = ("valid", "test", "unseen")
SPLITS = (*RENDERED, "real", "real-valid")
CASES = Range(1, 10_000, reason="more would take days")


@dataclass(frozen=True)
class EvaluationConfig:
    """What models are evaluated on, and how.

    splits: splits of SwapBench, each once.
    cases: approximate number of cases over all splits; each texture of a split has its share, at least one.
        By default 200, and 120 of the split "real", 36 of "real-valid".
    seed: seed that draws the cases.
    sampling: how models render; its seed is that of the noise.
    embedding: embedding for FAD and KAD.
    report_cases: number of cases to listen to in the report.
    data: a prepared split (a cache), from pairs of whose clips Tables 1, 4 and 5 are made.
    samples: libraries of recorded samples that play the splits "real" and "real-valid"; by default the data
        folder's.
    learn: seconds for which models that can learn sounds learn each timbre source, for one more row; None for
        no such row.

    Raises:
        UserError: a number is outside its range, or a split is named twice.
    """

    splits: tuple[str, ...] = ("test", "unseen")
    cases: Annotated[int, CASES] | None = None
    seed: Annotated[int, SEED] = 0
    sampling: Sampling = field(default_factory=Sampling)
    embedding: str = "embedded"
    report_cases: Annotated[int, Range(0, 100, reason="a page with more does not open everywhere")] = 12
    data: Path | None = None
    samples: tuple[Path, ...] = ()
    learn: Annotated[float, LEARNING] | None = None

    @property
    def library(self) -> "Library | None":
        """The library that plays those splits that are of recorded samples; None if there are none.

        Raises:
            UserError: as `real.library`.
        """
        from msdae.evaluation.swapbench import real

        recorded = tuple(split for split in real.SPLITS if split in self.splits)
        return real.library(self.samples, recorded) if recorded else None

    def __post_init__(self):
        limits.check(self)
        if len(set(self.splits)) < len(self.splits):
            raise UserError(f"splits {', '.join(self.splits)}: name each once")
