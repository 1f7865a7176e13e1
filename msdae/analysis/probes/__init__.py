"""Probes: what a small network can read from each code of a model.

`study.run` fits one probe for every task, code and control; `report` turns what it returns into the
thesis's tables 2 and 3, tables of everything, and the disentanglement summary (`separation`).
"""

from msdae.analysis.probes.splits import open_split
from msdae.analysis.probes.study import Result, run
from msdae.analysis.probes.tasks import TASKS

__all__ = ["TASKS", "Result", "open_split", "run"]
