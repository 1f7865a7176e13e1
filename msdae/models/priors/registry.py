"""Which priors there are, by name."""

from msdae.registry import Registry

PRIORS: Registry[type] = Registry("prior", "msdae.models.priors", "kind")
