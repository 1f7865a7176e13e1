"""SwapBench: a benchmark of attribute swaps with ground truth.

The same notes can be rendered with any instrument, so the right answer of a swap is known: the melody
source's notes, played by the timbre source's instrument.
"""

from typing import TYPE_CHECKING

from msdae.evaluation.swapbench.settings import EvaluationConfig
from msdae.lazy import getter

if TYPE_CHECKING:
    from msdae.evaluation.swapbench.run import evaluate, plan, write_sources
    from msdae.evaluation.swapbench.selection import Quick, quick

__all__ = ["EvaluationConfig", "Quick", "evaluate", "plan", "quick", "write_sources"]

__getattr__ = getter(
    __name__,
    {
        "evaluate": "msdae.evaluation.swapbench.run:evaluate",
        "plan": "msdae.evaluation.swapbench.run:plan",
        "write_sources": "msdae.evaluation.swapbench.run:write_sources",
        "Quick": "msdae.evaluation.swapbench.selection:Quick",
        "quick": "msdae.evaluation.swapbench.selection:quick",
    },
)
