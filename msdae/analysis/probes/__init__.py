"""Probes: what a small network can read from each code of a model.

`study.run` fits one probe for every task, code and control; `report` turns its results into the thesis's
tables 2 and 3, tables of everything, and the disentanglement summary (`separation`).
"""

from typing import TYPE_CHECKING

from msdae.lazy import getter

if TYPE_CHECKING:
    from msdae.analysis.probes.splits import open_split
    from msdae.analysis.probes.study import Result, run
    from msdae.analysis.probes.tasks import TASKS

__all__ = ["Result", "TASKS", "open_split", "run"]

__getattr__ = getter(
    __name__,
    {
        "open_split": "msdae.analysis.probes.splits:open_split",
        "Result": "msdae.analysis.probes.study:Result",
        "run": "msdae.analysis.probes.study:run",
        "TASKS": "msdae.analysis.probes.tasks:TASKS",
    },
)
