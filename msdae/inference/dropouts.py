"""Dropouts: where a rendering falls silent although its melody source holds a note.

Recorded notes that a model is trained on end after a second or two, and so it lets longer ones fall silent on
the way. Frames of such a dropout are filled with frames of the note before it, as a sampler loops a note.
"""

import torch
import torch.nn.functional as F

STEADY, SILENT = 0.8, 0.55  # of its mean loudness, that a note has at least, and that a dropout falls under
FALLS = ((8, 2), (12, 5))  # frames for which a note is steady, and in which it falls silent then, at most
NOTE, LOUD = 8, 0.95  # its last frames, with which a dropout is filled; share of the mean that these have
SAME = 0.15  # distance of two frames' codes, as a share of that from silence, in which the same note is held
TURN = 0.01 * SAME  # for each frame that one is away from the next in turn: it decides between equal ones
LONGEST = 128  # frames of a dropout


def places(
    z: torch.Tensor, content: torch.Tensor, silent_z: torch.Tensor, silent_content: torch.Tensor
) -> torch.Tensor:
    """For each frame of a rendering the one that takes its place, (frames,): its own but in dropouts.

    z: latents of the rendering, (channels, frames). content: what is played in each frame by the codes of the
        melody source, (channels, frames). silent_z, silent_content: both of a silent frame, (channels, 1).
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
    turn = ((frames - start) % (2 * NOTE) - NOTE + 0.5).abs() - 0.5  # from the last frame back, and forth
    away = (order - turn[:, None]).abs()
    nearest = (apart + TURN * level[:, None] * away).argmin(dim=1, keepdim=True)
    return torch.where(held, note.gather(1, nearest)[:, 0], frames)


def _starts(loud: torch.Tensor) -> torch.Tensor:
    """The first frame of the dropout that a frame is in, if what is played is held; -1 of other frames."""
    mean = F.pad(loud, (NOTE, 0))[:-1].unfold(0, NOTE, 1).mean(dim=1)
    falls = torch.stack([_falls(loud, steady, within) for steady, within in FALLS]).any(dim=0)
    start = _last(falls & (mean >= SILENT * loud.max()))
    return torch.where(_last(loud >= STEADY * mean[start]) < start, start, -1)


def _falls(loud: torch.Tensor, steady: int, within: int) -> torch.Tensor:
    """Whether a note of `steady` frames ends before a frame, which falls silent in so many, (frames,)."""
    before = F.pad(loud, (steady, 0))[:-1].unfold(0, steady, 1)
    after = F.pad(loud, (0, within - 1), value=float("inf")).unfold(0, within, 1).amin(dim=1)
    mean = before.mean(dim=1)
    return (before.amin(dim=1) >= STEADY * mean) & (loud < STEADY * mean) & (after < SILENT * mean)


def _last(which: torch.Tensor) -> torch.Tensor:
    """Of `which`, the last frame up to each one, (frames,); -1 where there is none in `LONGEST` of them."""
    number = torch.where(which, torch.arange(len(which), device=which.device), -1)
    padded = F.pad(number.float(), (LONGEST - 1, 0), value=-1.0)
    return F.max_pool1d(padded[None], LONGEST, 1)[0].long()
