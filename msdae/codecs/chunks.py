"""Latents of any length decoded piece by piece as they arrive: flat memory, joins without clicks."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch

from msdae.audio.windows import crossfade_level, join

CHUNK = 128  # latent frames decoded at once (12 s of sound); bounds memory


class Chunk(NamedTuple):
    """Latents (batch, channels, before + own + after), of which the neighbours own `before` and `after`.

    first: place of the first own frame in the stream.
    """

    z: torch.Tensor
    first: int
    before: int
    after: int

    @property
    def own(self) -> int:
        """Frames that the chunk is decoded for."""
        return self.z.shape[-1] - self.before - self.after


def chunks(latents: Iterable[torch.Tensor], chunk: int, context: int) -> Iterator[Chunk]:
    """Blocks (batch, channels, any) of one stream -> chunks whose places do not depend on the blocks.

    Each but the last, which may be longer by `context`, owns `chunk` frames; `context` more, at most `chunk`,
    are added from the neighbours at either side.
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
    """What `decode` makes of a stream: blocks (batch, any).

    Neighbouring chunks share 2 * context frames; the middle half of these is the crossfade, the outer
    quarters, where a chunk does not know what comes next, are thrown away.

    decode: ((batch, channels, f), place of their first frame) -> (batch, f * hop).
    """
    half = context * hop // 2

    def inner() -> Iterator[torch.Tensor]:
        for piece in chunks(latents, chunk, context):
            waveform = decode(piece.z, piece.first - piece.before)
            yield waveform[..., half * (piece.before > 0) : waveform.shape[-1] - half * (piece.after > 0)]

    yield from join(inner(), 2 * half, crossfade_level)
