"""Latents of any length to blocks of sound, which take over loudness and accents of their melody source."""

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import torch
import torch.nn.functional as F

from msdae.audio.contour import Contour
from msdae.audio.windows import Source, parts
from msdae.inference.latents import Advance, ignored
from msdae.inference.settings import Mix
from msdae.inference.sources import Melody

Blocks = Iterator[torch.Tensor]  # consecutive parts of a waveform, (samples,) each, on the CPU


@torch.no_grad()
def decoded(pipeline: Any, z: torch.Tensor, samples: int, melody: Source | None = None) -> Blocks:
    """Decode latents z, (channels, frames), to blocks with `samples` samples in all.

    pipeline: a `Pipeline`. melody: the source whose notes the latents play, for `Codec.follow`, if any.
    """
    codec, pieces = pipeline.codec, z.split(pipeline.window, dim=-1)
    latents = (piece[None].to(pipeline.device) for piece in pieces)
    if melody is None:
        blocks = codec.stream(latents)
    else:
        heard = chain(parts(melody, pipeline.window * codec.hop), repeat(torch.zeros(0)))
        pairs = zip(pieces, heard, strict=False)  # `heard` is endless
        sounds = (F.pad(sound, (0, piece.shape[-1] * codec.hop - len(sound)))[None] for piece, sound in pairs)
        blocks = codec.follow(latents, sounds)
    for block in blocks:
        block = block[0, :samples].cpu()
        samples -= len(block)
        yield block


def finished(
    pipeline: Any, z: torch.Tensor, mix: Mix, contour: Contour, advance: Advance = ignored
) -> Blocks:
    """Decode the latents z of a swap, (channels, frames), with the length and the loudness over time of its
    melody source.

    If the finest level is the melody source's, the sound also follows the source's phases at low frequencies
    and its accents. A rendering of a `Melody` gets back the pitches that the source had before it was tuned.
    The loudest window is decoded at once, to measure its peak, and the rest as the blocks are read.

    mix: as `Pipeline.resolved` returns it. contour: of the melody source. advance: called with the share of
    the sound that each block is.
    """
    melody, window = mix.melody, pipeline.window
    loud = z[:, max(0, melody.loudest // pipeline.codec.hop - window // 2) :][:, :window]
    level = float(pipeline.decode(loud).abs().max())
    notes = mix.keeps(pipeline.model.stage)
    blocks = decoded(pipeline, z, melody.samples, melody if notes else None)
    blocks = _counted(contour.followed(blocks, level, notes), melody.samples, advance)
    return melody.restored(blocks) if isinstance(melody, Melody) else blocks


def _counted(blocks: Blocks, samples: int, advance: Advance) -> Blocks:
    for block in blocks:
        advance(len(block) / samples)
        yield block
