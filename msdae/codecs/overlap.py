"""Long latents decoded in overlapping chunks: bounded memory, joins without clicks."""

from collections.abc import Callable

import torch


def crossfaded(
    decode: Callable[[torch.Tensor, int], torch.Tensor], z: torch.Tensor, hop: int, chunk: int, context: int
) -> torch.Tensor:
    """What `decode` makes of z, about `chunk` frames at a time, counted over the whole batch.

    Neighbours share 2 * context frames about their boundary; the middle half of these is the crossfade, the
    outer quarters, where a chunk does not know what comes next, are thrown away.

    decode: ((batch, channels, f), index of their first frame in z) -> (batch, f * hop).
    z: (batch, channels, frames) -> (batch, frames * hop).
    """
    together = max(1, chunk // max(1, z.shape[-1]))
    return torch.cat([_crossfaded(decode, group, hop, chunk, context) for group in z.split(together)])


def _crossfaded(
    decode: Callable[[torch.Tensor, int], torch.Tensor], z: torch.Tensor, hop: int, chunk: int, context: int
) -> torch.Tensor:
    frames = z.shape[-1]
    waveform = z.new_zeros(z.shape[0], frames * hop)
    for start in range(0, frames, chunk):
        first, stop = max(0, start - context), min(frames, start + chunk + context)
        time = torch.arange(first * hop, stop * hop, device=z.device)
        part = decode(z[..., first:stop], first)
        if start > 0:
            part = part * _fade_in(time, start * hop, context * hop)
        if start + chunk < frames:
            part = part * (1 - _fade_in(time, (start + chunk) * hop, context * hop))
        waveform[:, first * hop : stop * hop] += part
    return waveform


def _fade_in(time: torch.Tensor, centre: int, width: int) -> torch.Tensor:
    """0 to 1 over `width` samples about `centre`; with its mirror image it adds up to 1."""
    return ((time - centre) / width + 0.5).clamp(0, 1)
