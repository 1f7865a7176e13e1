"""Recordings longer than a window: the denoiser's estimates are blended, not the samples.

Where two windows overlap, each step of the sampler goes towards the weighted mean of the denoiser's estimates
in both, so that they agree on one sound. Source: Bar-Tal et al. 2023, "MultiDiffusion", eq. 5.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch

from msdae.audio.windows import starts
from msdae.diffusion.samplers import Denoiser

# windows (batch, channels, frames), sigma (batch,), their places among all windows -> denoised windows
WindowDenoiser = Callable[[torch.Tensor, torch.Tensor, slice | torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Layout:
    """Recordings one after the other along time, and the windows over them; no window is in two recordings.

    frames, stride: length of a window, and from the start of one to that of the next, in latent frames.
    lengths: latent frames of each recording; one shorter than a window takes the room of a window.
    """

    frames: int
    stride: int
    lengths: Sequence[int]

    @property
    def rooms(self) -> list[int]:
        """Frames that each recording takes."""
        return [max(length, self.frames) for length in self.lengths]

    @property
    def offsets(self) -> list[int]:
        """The first frame of each recording."""
        return list(accumulate(self.rooms[:-1], initial=0))

    @property
    def firsts(self) -> list[int]:
        """The first frame of each window."""
        return [
            offset + start
            for offset, length in zip(self.offsets, self.lengths, strict=True)
            for start in starts(length, self.frames, self.stride)
        ]

    @property
    def index(self) -> torch.Tensor:
        """The frames of each window, (windows, frames)."""
        return torch.tensor(self.firsts)[:, None] + torch.arange(self.frames)

    def split(self, z: torch.Tensor) -> list[torch.Tensor]:
        """Latents of all recordings (channels, sum of rooms) -> those of each (channels, length)."""
        parts = z.split(self.rooms, dim=-1)
        return [part[..., :length] for part, length in zip(parts, self.lengths, strict=True)]

    def blended(self, denoise: WindowDenoiser, batch: int) -> Denoiser:
        """A denoiser of all recordings, x: (1, channels, sum of rooms), by `batch` windows at a time.

        Estimates of overlapping windows are averaged, with weights that rise and fall linearly at the ends of
        a window.
        """
        index = self.index
        ramp = torch.arange(1, self.frames + 1).clamp(max=self.frames - self.stride + 1).double()
        ramp = torch.minimum(ramp, ramp.flip(0)).expand(index.shape)
        sums = torch.zeros(sum(self.rooms), dtype=ramp.dtype).index_add_(0, index.flatten(), ramp.flatten())
        weights = (ramp / sums[index]).float()

        def denoiser(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            blend = torch.zeros_like(x[0])
            for first in range(0, len(index), batch):
                part = slice(first, first + batch)
                frames = index[part].to(x.device)
                windows = x[0][:, frames].transpose(0, 1)
                estimate = denoise(windows, sigma.expand(len(windows)), part) * weights[part, None].to(x)
                blend.index_add_(1, frames.flatten(), estimate.transpose(0, 1).flatten(1))
            return blend[None]

        return denoiser


def noise(seed: int, channels: int, frames: int, block: int, first: int = 0) -> torch.Tensor:
    """Standard normal noise (channels, frames); a frame's depends only on seed, block and its position.

    block: frames that one generator draws. first: position of the first frame.
    """
    blocks = [
        np.random.default_rng([seed, number]).standard_normal((channels, block), dtype=np.float32)
        for number in range(first // block, -(-(first + frames) // block))
    ]
    return torch.from_numpy(np.concatenate(blocks, axis=1)[:, first % block :][:, :frames])
