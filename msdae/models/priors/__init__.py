"""Priors: they draw codes from nothing, from words or around given codes, behind one interface."""

from typing import TYPE_CHECKING

from msdae.lazy import getter
from msdae.models.priors.registry import PRIORS
from msdae.models.priors.settings import PriorSampling

if TYPE_CHECKING:
    from msdae.models.priors.base import Prior

__all__ = ["PRIORS", "PriorSampling", "Prior"]

__getattr__ = getter(__name__, {"Prior": "msdae.models.priors.base:Prior"})
