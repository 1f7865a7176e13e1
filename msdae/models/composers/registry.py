"""Which composers there are, by name."""

from msdae.registry import Registry

COMPOSERS: Registry[type] = Registry("composer", "msdae.models.composers", "kind")
