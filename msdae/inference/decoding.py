"""Latents of any length to blocks of sound, with low frequencies and pauses of their melody source."""

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import torch
import torch.nn.functional as F

from msdae.audio.levels import Levelled
from msdae.audio.windows import Source, parts
from msdae.inference.latents import Advance, ignored

Blocks = Iterator[torch.Tensor]  # of samples, (samples,) each, on the CPU


@torch.no_grad()
def decoded(pipeline: Any, z: torch.Tensor, samples: int, melody: Source | None = None) -> Blocks:
    """Latents (channels, frames) to blocks of `samples` samples in all.

    pipeline: a `Pipeline`. melody: the source whose notes the latents have, for `Codec.follow`.
    """
    codec, pieces = pipeline.codec, z.split(pipeline.window, dim=-1)
    latents = (piece[None].to(pipeline.device) for piece in pieces)
    if melody is None:
        blocks = codec.stream(latents)
    else:
        heard = chain(parts(melody, pipeline.window * codec.hop), repeat(torch.zeros(0)))
        pairs = zip(pieces, heard, strict=False)  # silence after what is heard
        sounds = (F.pad(sound, (0, z.shape[-1] * codec.hop - len(sound)))[None] for z, sound in pairs)
        blocks = codec.follow(latents, sounds)
    for block in blocks:
        block = block[0, :samples].cpu()
        samples -= len(block)
        yield block


def gated(
    pipeline: Any, z: torch.Tensor, melody: Levelled, follow: bool, advance: Advance = ignored
) -> Blocks:
    """`decoded` as long as a melody source, soft where it is.

    follow: whether the latents have its notes. advance: is told shares of it.
    """
    window = pipeline.window
    loud = z[:, max(0, melody.loudest // pipeline.codec.hop - window // 2) :][:, :window]
    level = float(pipeline.decode(loud).abs().max())
    blocks = decoded(pipeline, z, melody.samples, melody if follow else None)
    for block in melody.gated(blocks, level):
        advance(len(block) / melody.samples)
        yield block
