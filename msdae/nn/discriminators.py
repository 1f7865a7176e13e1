"""Discriminators for the training of the codec's decoder: they tell decoded from recorded spectrograms."""

from itertools import pairwise

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.parametrizations import weight_norm

EDGES = (0.0, 0.1, 0.25, 0.5, 1.0)  # of the bands, in shares of all bins


class MultiBandDiscriminator(nn.Module):
    """Patch discriminators, one for each band of a log-magnitude spectrogram (after Kumar et al. 2023, DAC).

    width: channels of each.
    """

    def __init__(self, width: int = 16):
        super().__init__()
        self.bands = nn.ModuleList(_patches(width) for _ in pairwise(EDGES))

    def forward(self, log_magnitude: torch.Tensor) -> list[list[torch.Tensor]]:
        """log_magnitude: (batch, frames, bins) -> for each band, its features and, last, patch scores"""
        bins = log_magnitude.shape[-1]
        outputs = []
        for (low, high), layers in zip(pairwise(EDGES), self.bands, strict=True):
            x = log_magnitude[:, None, :, round(low * bins) : round(high * bins)]
            outputs.append([])
            for layer in layers:
                x = layer(x)
                outputs[-1].append(x)
        return outputs


def discriminator_loss(real: list[list[torch.Tensor]], fake: list[list[torch.Tensor]]) -> torch.Tensor:
    """Hinge loss: scores of recordings above 1, of decoded ones below -1: (batch,)"""
    terms = [_mean(F.relu(1 - r[-1])) + _mean(F.relu(1 + f[-1])) for r, f in zip(real, fake, strict=True)]
    return torch.stack(terms).mean(dim=0)


def decoder_losses(
    real: list[list[torch.Tensor]], fake: list[list[torch.Tensor]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The decoder's losses: the hinge loss of its scores, and the distance of its features: (batch,) each"""
    scores = torch.stack([-_mean(f[-1]) for f in fake]).mean(dim=0)
    distances = [
        _mean((a - b.detach()).abs()) / b.detach().abs().mean().clamp_min(1e-3)
        for r, f in zip(real, fake, strict=True)
        for b, a in zip(r[:-1], f[:-1], strict=True)
    ]
    return scores, torch.stack(distances).mean(dim=0)


def _mean(x: torch.Tensor) -> torch.Tensor:
    """The mean of each clip: (batch, ...) -> (batch,)"""
    return x.flatten(1).mean(dim=1)


def _patches(width: int) -> nn.ModuleList:
    sizes = (
        (1, width, (3, 9), (1, 2)),
        (width, width, (3, 9), (1, 2)),
        (width, width, (3, 9), (2, 2)),
        (width, width, (3, 3), (1, 1)),
    )
    layers = [
        nn.Sequential(_conv(inputs, outputs, kernel, stride), nn.LeakyReLU(0.1))
        for inputs, outputs, kernel, stride in sizes
    ]
    return nn.ModuleList([*layers, _conv(width, 1, (3, 3), (1, 1))])


def _conv(inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int]) -> nn.Module:
    padding = kernel[0] // 2, kernel[1] // 2
    return weight_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding))
