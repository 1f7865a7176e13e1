"""Limits and settings of composing."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from msdae import limits
from msdae.errors import UserError
from msdae.limits import Range

if TYPE_CHECKING:
    import torch

BARS = Range(1, 256, reason="a longer tune loses its thread")
SERIES = Range(2, 64, reason="more cannot be told apart")  # tunes on the way from one to another
TEMPERATURE = Range(0, 10, above=True)
TOP_P = Range(0, 1, above=True)


def require_heads(width: int, heads: int) -> None:
    """Raise a UserError unless attention can divide features of a width among its heads, in pairs."""
    if width % (2 * heads):
        raise UserError(f"width {width}: give a multiple of twice the {heads} heads")


@dataclass(frozen=True)
class ComposerSampling:
    """How a composer draws. Of these, vae and musegan use the temperature alone, roll_diffusion nothing.

    temperature: below 1 it keeps to what is likely, above 1 it is bolder.
    top_p: probability that the likeliest symbols, from which it draws, have together (nucleus sampling).
    copies: whether it may copy more than 8 notes in a row from a training piece.
    """

    temperature: Annotated[float, TEMPERATURE] = 1.0
    top_p: Annotated[float, TOP_P] = 0.95
    copies: bool = False

    def __post_init__(self):
        limits.check(self)

    def draw(self, logits: "torch.Tensor", generator: "torch.Generator") -> "torch.Tensor":
        """A symbol for each row: (batch, symbols) -> (batch,)"""
        shares = (logits.double() / self.temperature).softmax(dim=-1)
        ordered, places = shares.sort(dim=-1, descending=True)
        ordered = ordered.where(ordered.cumsum(dim=-1) - ordered < self.top_p, 0.0)
        drawn = ordered.multinomial(1, generator=generator)
        return places.gather(-1, drawn)[:, 0]
