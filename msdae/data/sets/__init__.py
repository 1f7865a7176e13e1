"""The data sets that can be prepared, by name."""

from typing import TYPE_CHECKING

from msdae.lazy import getter
from msdae.registry import Registry

if TYPE_CHECKING:
    from msdae.data.sets.base import DataSet

__all__ = ["DATASETS", "DataSet"]

DATASETS: "Registry[type[DataSet]]" = Registry("data set", "msdae.data.sets")
__getattr__ = getter(__name__, {"DataSet": "msdae.data.sets.base:DataSet"})
