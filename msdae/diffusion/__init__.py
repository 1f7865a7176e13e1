"""The diffusion process (EDM) and the samplers that solve it."""

from collections.abc import Callable

from msdae.registry import Registry

STEPS = 12  # of a sampler, where no other number is given
SAMPLERS: Registry[Callable] = Registry("sampler", "msdae.diffusion")
