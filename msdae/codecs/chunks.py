"""Decodes latents of any length chunk by chunk as they arrive, in constant memory, with inaudible joins."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch

from msdae.audio.windows import crossfade_level, join

CHUNK = 128  # latent frames decoded at once (12 s of sound); bounds memory


class Chunk(NamedTuple):
    """A piece of a stream of latents, with context from its neighbours.

    z: (batch, channels, before + own + after). first: index of its first own frame in the stream. before,
    after: frames of context on either side.
    """

    z: torch.Tensor
    first: int
    before: int
    after: int

    @property
    def own(self) -> int:
        """The number of frames without context."""
        return self.z.shape[-1] - self.before - self.after


def chunks(latents: Iterable[torch.Tensor], chunk: int, context: int) -> Iterator[Chunk]:
    """Blocks (batch, channels, any) of one stream -> chunks, whatever the sizes of the blocks.

    Each chunk has `chunk` frames of its own (the last one at most `chunk` + `context`), and `context` frames
    from each neighbour. context: at most `chunk`.
    """
    buffer, first, before = None, 0, 0
    for block in latents:
        buffer = block if buffer is None else torch.cat([buffer, block], dim=-1)
        while buffer.shape[-1] > before + chunk + context:
            yield Chunk(buffer[..., : before + chunk + context], first, before, context)
            buffer = buffer[..., before + chunk - context :]
            first, before = first + chunk, context
    if buffer is not None:
        yield Chunk(buffer, first, before, 0)


def crossfaded(
    decode: Callable[[torch.Tensor, int], torch.Tensor],
    latents: Iterable[torch.Tensor],
    hop: int,
    chunk: int,
    context: int,
) -> Iterator[torch.Tensor]:
    """A stream of latents, decoded in chunks that are crossfaded: blocks (batch, any).

    Neighbouring chunks share 2 * context frames. The crossfade is in the middle half of these; the outer
    quarters are dropped, because a chunk lacks context at its ends.

    decode: (z (batch, channels, f), index of its first frame) -> waveform (batch, f * hop).
    """
    half = context * hop // 2

    def inner() -> Iterator[torch.Tensor]:
        for piece in chunks(latents, chunk, context):
            waveform = decode(piece.z, piece.first - piece.before)
            yield waveform[..., half * (piece.before > 0) : waveform.shape[-1] - half * (piece.after > 0)]

    yield from join(inner(), 2 * half, crossfade_level)
