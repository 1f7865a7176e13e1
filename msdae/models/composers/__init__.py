"""Composers: networks that write scores, behind one interface."""

from typing import TYPE_CHECKING

from msdae.lazy import getter
from msdae.models.composers.registry import COMPOSERS
from msdae.models.composers.settings import ComposerSampling

if TYPE_CHECKING:
    from msdae.models.composers.base import Composer

__all__ = ["COMPOSERS", "Composer", "ComposerSampling"]

__getattr__ = getter(__name__, {"Composer": "msdae.models.composers.base:Composer"})
