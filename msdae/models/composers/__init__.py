"""Composers: networks that write scores, behind one interface."""

from msdae.models.composers.base import COMPOSERS, Composer, Manner

__all__ = ["COMPOSERS", "Composer", "Manner"]
