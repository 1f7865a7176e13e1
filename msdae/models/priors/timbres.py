"""The timbres that a prior draws: a density around those that it was fitted on, which a text may weight.

There are only hundreds of timbres to learn from, but hours of melodies: from these few a network would learn
no more than Gaussians tell. Source: Parzen 1962, "On estimation of a probability density function and mode".
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

KERNELS = 1024  # timbres that are kept
WIDTH = 0.8  # deviation of a kernel over standardised codes
NEAR = 0.05  # a kernel whose text has a cosine greater by so much is e times as likely


class Timbres(nn.Module):
    """Gaussian kernels of equal width, each with the vector of a text.

    Args:
        channels: channels of a timbre. texts: size of a text's vector; 0: there are no texts.
    """

    def __init__(self, channels: int, texts: int):
        super().__init__()
        self.register_buffer("centres", torch.zeros(KERNELS, channels))
        self.register_buffer("texts", torch.zeros(KERNELS, texts))

    def fit(self, timbres: torch.Tensor, texts: torch.Tensor | None) -> None:
        """Keep `KERNELS` of the timbres, (any number, channels), and their texts, (any number, numbers)."""
        places = torch.linspace(0, len(timbres) - 1, KERNELS).round().long()
        self.centres.copy_(timbres[places])
        if texts is not None and self.texts.numel():
            self.texts.copy_(F.normalize(texts[places], dim=1))

    def draw(
        self, count: int, text: torch.Tensor | None, weight: float, generator: torch.Generator
    ) -> torch.Tensor:
        """Draw timbres: (count, channels).

        text: vectors of texts, (1 or count, numbers), zeros where there is none. weight: how much they count.
        """
        odds = self.centres.new_zeros(count, KERNELS)
        if text is not None:
            odds = odds + weight / NEAR * F.normalize(text.to(odds), dim=1) @ self.texts.T
        chosen = torch.multinomial(odds.softmax(dim=1).cpu(), 1, generator=generator)[:, 0]
        centres = self.centres[chosen.to(self.centres.device)]
        return centres + WIDTH * torch.randn(centres.shape, generator=generator).to(centres)
