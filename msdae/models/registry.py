"""The models that exist, by the name that checkpoints and `--model` give them."""

from msdae.registry import Registry

MODELS: Registry[type] = Registry("model", "msdae.models", "kind")
