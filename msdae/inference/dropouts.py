"""Dropouts: where a rendering falls silent although its melody source holds a note.

The recorded notes that models are trained on end after a second or two, and so models let longer ones fall
silent. Frames of such a dropout are filled with frames of the note before it, as a sampler loops a note.
"""

import torch
import torch.nn.functional as F

STEADY = 0.8  # share of its mean loudness that every frame of a note has, at least
SILENT = 0.55  # share of it that a dropout falls under
FALLS = ((8, 2), (12, 5))  # frames for which a note is steady, and within how many more it falls silent
NOTE = 8  # the last frames of a note, with which a dropout is filled
LOUD = 0.95  # share of their mean loudness below which one of these is not used
SAME = 0.15  # distance of two frames' codes, as a share of that from silence, up to which one note is held
TURN = 0.01 * SAME  # added to it for each frame away from the one in turn: decides between equal ones
LONGEST = 128  # frames of a dropout


def places(
    z: torch.Tensor, content: torch.Tensor, silent_z: torch.Tensor, silent_content: torch.Tensor
) -> torch.Tensor:
    """For each frame of a rendering, the index of the frame that replaces it; its own outside dropouts.

    z: latents of the rendering, (channels, frames). content: the melody source's code at each frame,
        (channels, frames). silent_z, silent_content: latent and code of a silent frame, (channels, 1).

    Returns (frames,).
    """
    loud = (z - silent_z).square().mean(dim=0).sqrt()
    frames, order = (torch.arange(size, device=z.device) for size in (len(loud), NOTE))
    start = _starts(loud)
    note = (start[:, None] - NOTE + order).clamp(min=0)  # (frames, NOTE)
    soft = loud[note] < LOUD * loud[note].mean(dim=1, keepdim=True)
    apart = torch.stack([(content[:, frame] - content).norm(dim=0) for frame in note.T], dim=1)
    apart = apart.masked_fill(soft, float("inf"))
    heard = (content - silent_content).norm(dim=0)
    level = heard[note].mean(dim=1)
    held = (start >= 0) & (apart.amin(dim=1) < SAME * level) & (heard > (1 - SAME) * level)
    turn = ((frames - start) % (2 * NOTE) - NOTE + 0.5).abs() - 0.5  # from the last frame back, then forth
    away = (order - turn[:, None]).abs()
    nearest = (apart + TURN * level[:, None] * away).argmin(dim=1, keepdim=True)
    return torch.where(held, note.gather(1, nearest)[:, 0], frames)


def _starts(loud: torch.Tensor) -> torch.Tensor:
    """For each frame, the first frame of the dropout that it is in if its note is held, or -1: (frames,)."""
    mean = F.pad(loud, (NOTE, 0))[:-1].unfold(0, NOTE, 1).mean(dim=1)
    falls = torch.stack([_falls(loud, steady, within) for steady, within in FALLS]).any(dim=0)
    start = _last(falls & (mean >= SILENT * loud.max()))
    return torch.where(_last(loud >= STEADY * mean[start]) < start, start, -1)


def _falls(loud: torch.Tensor, steady: int, within: int) -> torch.Tensor:
    """Whether a note, steady for `steady` frames, falls at a frame and is silent in `within`: (frames,)."""
    before = F.pad(loud, (steady, 0))[:-1].unfold(0, steady, 1)
    after = F.pad(loud, (0, within - 1), value=float("inf")).unfold(0, within, 1).amin(dim=1)
    mean = before.mean(dim=1)
    return (before.amin(dim=1) >= STEADY * mean) & (loud < STEADY * mean) & (after < SILENT * mean)


def _last(which: torch.Tensor) -> torch.Tensor:
    """For each frame, the last of the `LONGEST` frames up to it that `which` has, or -1: (frames,)."""
    number = torch.where(which, torch.arange(len(which), device=which.device), -1)
    padded = F.pad(number.float(), (LONGEST - 1, 0), value=-1.0)
    return F.max_pool1d(padded[None], LONGEST, 1)[0].long()
