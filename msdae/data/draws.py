"""The random numbers of a step, equal however its batch is shared among processes."""

import copy

import torch

from msdae import checkpoint

CPU = torch.device("cpu")


def mix_seed(values: tuple[int, ...]) -> int:
    """A well-spread 60-bit seed from integers."""
    digest = checkpoint.fingerprint({}, {"seed": list(values)})
    return int(digest[:15], 16)


def moved(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor on `device`. Nothing waits for the copy from the CPU to CUDA."""
    if device.type == "cuda" and tensor.device.type == "cpu" and not tensor.is_pinned():
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


class Draws:
    """The random numbers of a share of a step's batch.

    Each call draws for all clips of the global batch and keeps the numbers of the share's places. From the
    same seed, CUDA draws other numbers than a CPU.

    Args:
        seed: any integers, e.g. (seed, stage, step).
        total: clips of the global batch.
        places: those of them that the share has.
        device: where the numbers are used.
    """

    def __init__(
        self,
        seed: tuple[int, ...],
        total: int,
        places: slice = slice(None),
        device: torch.device = CPU,
    ):
        self.seed, self.total, self.places, self.device = seed, total, places, device
        self.rows: torch.Tensor | slice = slice(None)
        self.source = device if device.type == "cuda" else CPU
        self.generator = torch.Generator(self.source).manual_seed(mix_seed(seed))

    @property
    def own_seed(self) -> int:
        """A seed of this share alone, for what a process draws by its own generator, such as dropout."""
        return mix_seed((*self.seed, 1 + (self.places.start or 0)))

    def again(self) -> "Draws":
        """The same numbers from the first one on."""
        draws = Draws(self.seed, self.total, self.places, self.device)
        draws.rows = self.rows
        return draws

    def of(self, rows: torch.Tensor | slice) -> "Draws":
        """The draws of some clips of the share, by the same generator."""
        draws = copy.copy(self)
        draws.rows = rows
        return draws

    def normal(self, *shape: int) -> torch.Tensor:
        """(share, *shape), standard normal."""
        return self._share(torch.randn(self.total, *shape, generator=self.generator, device=self.source))

    def uniform(self, *shape: int) -> torch.Tensor:
        """(share, *shape), from 0 to 1."""
        return self._share(torch.rand(self.total, *shape, generator=self.generator, device=self.source))

    def integer(self, below: int) -> int:
        """One number from 0 to `below` - 1 for the global batch. This waits for an accelerator."""
        return int(torch.randint(below, (), generator=self.generator, device=self.source))

    def _share(self, numbers: torch.Tensor) -> torch.Tensor:
        return moved(numbers[self.places][self.rows], self.device)
