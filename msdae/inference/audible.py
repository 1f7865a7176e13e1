"""What can be heard of a source, and how much noise its latents are sampled from."""

from collections.abc import Iterator

import torch

from msdae.audio.neighbours import variety
from msdae.audio.windows import Source, cut

AUDIBLE = 1e-3  # peak of a part that can be heard
PART = 8192  # samples
HEARD = 12  # seconds that can be heard, which are taken
ONE_NOTE = 0.25  # `variety` of a source, below which it is one note
ONE_NOTE_NOISE = 0.6  # scale of the noise of its latents


def audible(source: Source, rate: int) -> torch.Tensor:
    """The first `HEARD` seconds (samples,) of what can be heard of a source at `rate` Hz; maybe nothing."""
    heard, samples, most = [torch.zeros(0)], 0, HEARD * rate
    for part in parts(source, PART):
        if samples >= most:
            break
        if part.abs().max() > AUDIBLE:
            heard.append(part)
            samples += len(part)
    return torch.cat(heard)[:most]


def noise_scale(source: Source, rate: int) -> float:
    """By how much the noise is scaled from which the latents of a source at `rate` Hz are sampled.

    Takes of a single note differ by as much from each other as from what is right. Less noise brings them
    nearer to their mean, which of one note is a note too.
    """
    sound = audible(source, rate)
    return ONE_NOTE_NOISE if len(sound) and variety(sound, rate) < ONE_NOTE else 1.0


def parts(source: Source, size: int) -> Iterator[torch.Tensor]:
    """The source in parts of `size` samples; the last one may be shorter."""
    return cut(source.blocks(), range(0, source.samples, size), size)
