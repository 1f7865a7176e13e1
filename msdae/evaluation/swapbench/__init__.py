"""SwapBench: attribute swap with ground truth.

The same notes can be rendered with any instrument, so what a swap should sound like is known: the melody
source's notes, played by the timbre source's instrument.
"""

from msdae.evaluation.swapbench.run import EvaluationConfig, evaluate, plan, write_sources
from msdae.evaluation.swapbench.selection import Quick, quick

__all__ = ["EvaluationConfig", "Quick", "evaluate", "plan", "quick", "write_sources"]
