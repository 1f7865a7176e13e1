"""The clips of a cache in an accelerator's memory, where batches are made without reading or copying."""

from collections.abc import Sequence

import numpy as np
import torch

from msdae.data.cache import Batch, ClipCache, pitch_sets
from msdae.data.draws import moved

SHARE = 0.6  # of the free memory that clips may take
TOGETHER = 512  # clips that are copied at once


class ResidentClips(ClipCache):
    """The clips of a cache, in half precision on `device`; everything else is as in the cache.

    clips: a cache or several joined ones.
    """

    def __init__(self, clips: ClipCache, device: torch.device):
        self.path, self.manifest, self.clips, self.device = clips.path, clips.manifest, clips.clips, device
        self.latents, self.mels = (_filled(read, len(clips), device) for read in (clips.latent, clips.mel))
        frames, seconds = self.latents.shape[-1], clips.clip_seconds
        sets = [pitch_sets(clip.get("notes"), frames, seconds) for clip in self.clips]
        self.pitches = torch.from_numpy(np.stack(sets)).to(device)
        self.numbers = torch.from_numpy(clips.sounds.astype(np.int64)).to(device)

    def __reduce__(self):
        raise TypeError("clips on an accelerator are of one process")

    def batch(self, indices: Sequence[int]) -> Batch:
        """As `ClipCache.batch`, on the device."""
        indices = np.asarray(indices)
        places = moved(torch.from_numpy(indices), self.device)
        mel, sound, names = self.mel(places), self.numbers[places], [self.clips[i]["name"] for i in indices]
        pitches = self.pitches[places]
        return Batch(self.latent(places), mel, mel, mel, sound, sound, pitches, names, indices.tolist())

    def sound(self, indices: torch.Tensor) -> torch.Tensor:
        """As `ClipCache.sound`; indices: on the device."""
        return self.numbers[indices]

    def latent(self, indices: torch.Tensor) -> torch.Tensor:
        """As `ClipCache.latent`; indices: on the device."""
        return self.latents[indices].float()

    def mel(self, indices: torch.Tensor) -> torch.Tensor:
        """As `ClipCache.mel`; indices: on the device."""
        return self.mels[indices].float()


def fits(sets: Sequence[ClipCache], device: torch.device) -> bool:
    """Whether there is room for the clips of all sets in the memory of `device`, an accelerator, beside a
    training."""
    if device.type != "cuda" or not all(isinstance(clips, ClipCache) for clips in sets):
        return False
    size = sum(read([0]).numel() * 2 * len(clips) for clips in sets for read in (clips.latent, clips.mel))
    return size <= SHARE * torch.cuda.mem_get_info(device)[0]


def _filled(read, clips: int, device: torch.device) -> torch.Tensor:
    """What `read` gives for all clips, read in parts and put on `device` in half precision."""
    whole = torch.empty(clips, *read([0]).shape[1:], dtype=torch.float16, device=device)
    for first in range(0, clips, TOGETHER):
        part = np.arange(first, min(first + TOGETHER, clips))
        whole[first : first + len(part)] = read(part).half()
    return whole
