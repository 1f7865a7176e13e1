"""The contrastive objective: a level's code has to tell the clip that it stands for from other clips."""

from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange

TOGETHER = 64  # most clips whose frames are compared with each other; their frames are thousands


def info_nce(
    anchors: torch.Tensor,
    positives: torch.Tensor,
    negatives: torch.Tensor | None = None,
    same: torch.Tensor | None = None,
    temperature: float = 0.1,
) -> torch.Tensor:
    """Cross-entropy of finding each anchor's positive among all positives and negatives, by cosine.

    It is computed in single precision, whatever the precision of the codes: a tenth of a logit decides.

    anchors, positives: (batch, channels); negatives: (any, channels).
    same: (batch, batch + any) bool, the candidates that do not count as negatives of an anchor, such as
        those of the same sound.

    Returns (batch,), in nats. Source: van den Oord et al. 2018, eq. 4.
    """
    candidates = positives if negatives is None else torch.cat([positives, negatives])
    with torch.autocast(anchors.device.type, enabled=False):
        logits = F.normalize(anchors.float(), dim=1) @ F.normalize(candidates.float(), dim=1).T / temperature
        targets = torch.arange(len(anchors), device=anchors.device)
        if same is not None:
            same = same.scatter(1, targets[:, None], False)
            logits = logits.masked_fill(same, -torch.inf)
        return F.cross_entropy(logits, targets, reduction="none")


def contrastive_loss(model: Any, code: torch.Tensor, batch: Any) -> torch.Tensor:
    """The contrastive loss of the model's last level: (batch,), in nats.

    A pooled level has read another excerpt of the clip's sound. Its code has to find the clip itself among
    other clips, of which the hardest has the same notes by another sound. Any other level has read the same
    notes by another sound. Each frame of its code has to find its place in the clip itself, among the frames
    of other clips in which other pitches sound.

    model: an `Autoencoder` whose levels read mels. code: the last level's, (batch, channels, frames).
    batch: a `msdae.data.Batch`.
    """
    level = model.stage - 1
    target = model.encode_level(level, batch.mel)
    if not model.pooled[level]:
        clips = torch.tensor(batch.indices, pin_memory=code.is_cuda).to(code.device, non_blocking=True)
        return frame_loss(code, target, batch.pitches, clips)
    rendition = model.encode_level(level, batch.content)
    same = batch.sound[:, None] == torch.cat([batch.sound, batch.content_sound])[None]
    return info_nce(code[..., 0], target[..., 0], rendition[..., 0], same)


def frame_loss(
    code: torch.Tensor, target: torch.Tensor, pitches: torch.Tensor, clips: torch.Tensor
) -> torch.Tensor:
    """How well each frame of `code` finds its place in `target` among the frames of other clips: (batch,).

    code, target: (batch, channels, frames).
    pitches: (batch, any), a number for the set of pitches that sounds at each moment; -1: not known.
    clips: (batch,), numbers of the clips; a batch may hold one clip twice.

    Frames with the same set of pitches, or of the same clip, are no negatives of each other. A batch of more
    than `TOGETHER` clips is compared in as few groups of equal size as possible.
    """
    if len(code) > TOGETHER:
        count = -(-len(code) // TOGETHER)
        groups = zip(*(x.tensor_split(count) for x in (code, target, pitches, clips)), strict=True)
        return torch.cat([frame_loss(*group) for group in groups])
    frames = code.shape[-1]
    places = ((torch.arange(frames, device=code.device) + 0.5) * pitches.shape[1] / frames).long()
    sets = pitches[:, places].flatten()
    clip = clips.repeat_interleave(frames)
    same = (clip[:, None] == clip) | ((sets[:, None] == sets) & (sets != -1))
    anchors, positives = (rearrange(x, "b c t -> (b t) c") for x in (code, target))
    return rearrange(info_nce(anchors, positives, same=same), "(b t) -> b t", t=frames).mean(dim=1)
