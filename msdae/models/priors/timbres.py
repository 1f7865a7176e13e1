"""Timbres that a prior draws: a density around those that it was fitted on, by what is said of them.

There are hundreds of them to learn from, where of a melody there are hours: a network learns no more of them
than a Gaussian says. Source: Parzen 1962, "On estimation of a probability density function and mode".
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

KERNELS = 1024  # timbres that are kept
WIDTH = 0.8  # deviation of a kernel, of standardised codes
NEAR = 0.05  # by which a text's cosine is greater where a kernel is e times as likely


class Timbres(nn.Module):
    """Gaussians of equal width, each with a text.

    Args:
        channels: of a timbre. texts: numbers of a text's vector; 0: there are none.
    """

    def __init__(self, channels: int, texts: int):
        super().__init__()
        self.register_buffer("centres", torch.zeros(KERNELS, channels))
        self.register_buffer("texts", torch.zeros(KERNELS, texts))

    def fit(self, timbres: torch.Tensor, texts: torch.Tensor | None) -> None:
        """Keep so many of the timbres, (any number, channels), and of their texts, (any number, numbers)."""
        places = torch.linspace(0, len(timbres) - 1, KERNELS).round().long()
        self.centres.copy_(timbres[places])
        if texts is not None and self.texts.numel():
            self.texts.copy_(F.normalize(texts[places], dim=1))

    def draw(
        self, count: int, text: torch.Tensor | None, weight: float, generator: torch.Generator
    ) -> torch.Tensor:
        """(count, channels).

        text: vectors, (1 or count, numbers), zeros where nothing is said. weight: of it.
        """
        odds = self.centres.new_zeros(count, KERNELS)
        if text is not None:
            odds = odds + weight / NEAR * F.normalize(text.to(odds), dim=1) @ self.texts.T
        chosen = torch.multinomial(odds.softmax(dim=1).cpu(), 1, generator=generator)[:, 0]
        centres = self.centres[chosen.to(self.centres.device)]
        return centres + WIDTH * torch.randn(centres.shape, generator=generator).to(centres)
