"""Mixes with a strength between 0 and 1.

Codes that change over time are interpolated. A sound, the one code of a pooled level, is not: latents are
sampled without it and with it, from the same noise, and these are interpolated. A code between two sounds
often sounds like one of them, or like neither; the latents change evenly and keep the notes that both have.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from msdae.inference.codes import Codes


class Mixed(NamedTuple):
    """What the latents of mixes are made of.

    Attributes:
        codes: what is sampled.
        ways: for each strength, two places in `codes` and the share of the second in their latents' mix.
    """

    codes: list[Codes]
    ways: list[tuple[int, int, float]]

    def joined(self, z: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Latents of `codes`, (channels, frames) each -> latents of the mix of each strength."""
        return [z[a] if a == b else z[a].lerp(z[b], share) for a, b, share in self.ways]


def mixed(
    pipeline: Any,
    content: Codes,
    timed: Mapping[int, Codes],
    sound: Mapping[int, Codes],
    series: Sequence[float],
) -> Mixed:
    """`content` with the codes of other recordings, {level: codes}, for each strength of a series.

    pipeline: a `Pipeline`; errors are those of its `mix`.
    timed: codes that are interpolated. sound: codes with and without which latents are sampled, to be
        interpolated.
    """
    made = Mixed([], [])
    places: dict[tuple[float, bool], int] = {}

    def place(strength: float, heard: bool) -> int:
        key = strength if timed else 0.0, heard
        if key not in places:
            places[key] = len(made.codes)
            codes = pipeline.mix(content, timed, strength)
            made.codes.append(pipeline.mix(codes, sound) if heard else codes)
        return places[key]

    for strength in series:
        first, last = (bool(sound) and at for at in (strength == 1, strength > 0))
        made.ways.append((place(strength, first), place(strength, last), strength))
    return made


def sample(pipeline: Any, group: Sequence[Mixed], seeds: Sequence[int]) -> list[torch.Tensor]:
    """Sample latents of mixes by a `Pipeline`, (channels, frames) each. seeds: one for each of the group."""
    takes = [(codes, seed) for made, seed in zip(group, seeds, strict=True) for codes in made.codes]
    z = pipeline.sample(*zip(*takes, strict=True))
    return [mix for mixes in joined(group, z) for mix in mixes]


def joined(group: Sequence[Mixed], z: Sequence[torch.Tensor]) -> list[list[torch.Tensor]]:
    """Latents of the codes of all of a group, in a row -> for each of it, the latents of its mixes."""
    rest = iter(z)
    return [made.joined([next(rest) for _ in made.codes]) for made in group]
