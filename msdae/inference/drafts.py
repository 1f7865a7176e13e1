"""Drafts: where a model does not know the timbre of a swap, sampling begins there in place of noise alone.

A draft is the melody source out of the nearest frames of the timbre source (`audio.neighbours`), as latents.
With noise of the level `latents.SIGMA` on it, it is denoised with the codes of the swap: its timbre stays,
its notes and joins are mended. Of a sound that the model knows, its codes say more than such frames do.
Source: Meng et al. 2022, "SDEdit".
"""

from typing import Any

import torch

from msdae.audio import dynamics
from msdae.audio.equaliser import envelopes
from msdae.audio.levels import MODEL_PEAK, Levelled
from msdae.audio.neighbours import Neighbours, variety
from msdae.audio.windows import Source, parts
from msdae.inference.audible import AUDIBLE, audible
from msdae.inference.latents import latents
from msdae.inference.settings import ALWAYS, NEVER, Mix
from msdae.limits import SHORTEST_SOUND

NOTE = (
    "note: the model does not know this sound, and begins at its own frames; learnt first (swap --learn, "
    "10 s), it comes nearer"
)
UNKNOWN = 4.5  # dB of `distance`: from there on the model does not know a sound
UNKNOWN_FEW = 6.0  # the same for a source of one note or few, from which less can be told
FEW_NOTES = 0.35  # `variety` of a source, below which its notes are few
JUDGED, TAKES = 2, 4  # windows of it that the model is asked for, and how often
BLOCK = 4  # windows of the melody source that are put together at once


@torch.no_grad()
def sound_to_draft(pipeline: Any, mix: Mix) -> torch.Tensor | None:
    """The sound (samples,) of a mix's timbre source, if the model does not know it: a draft is made of it.

    None where the mix has no draft: the model knows the sound or has learnt it, it is given as codes, other
    levels than 1 come from another recording too, the strength is 0, or `Sampling.draft` is "never".

    pipeline: a `Pipeline`, as whose `encode` it raises errors.
    """
    timbre, wanted = mix.levels.get(1), pipeline.sampling.draft
    asked = wanted != NEVER and set(mix.levels) == {1} and mix.strength
    if not asked or timbre is mix.melody or 1 in mix.codes:
        return None
    sound = _audible(pipeline, timbre)
    known = sound is None or (wanted != ALWAYS and _known(pipeline, sound))
    return None if known else sound


@torch.no_grad()
def draft(pipeline: Any, sound: torch.Tensor, melody: Source, even: bool) -> torch.Tensor:
    """Latents (channels, frames) at which sampling begins: the melody source out of frames of a sound.

    sound: as `sound_to_draft` gives it. even: whether the melody's dynamics are made even.
    """
    neighbours, codec = Neighbours(sound, pipeline.codec.sample_rate), pipeline.codec
    made = []
    for block in parts(melody, BLOCK * pipeline.window * codec.hop):
        played = neighbours(dynamics.even(block, codec.sample_rate) if even else block)
        made.append(codec.encode(played[None].to(pipeline.device))[0].cpu())
    return torch.cat(made, dim=-1)


@torch.no_grad()
def distance(pipeline: Any, sound: torch.Tensor) -> float:
    """How far a sound is from what the model makes of its codes: root mean square of the difference of their
    spectral envelopes in dB, mean of `TAKES` of them.

    sound: (samples,), of which the first windows are taken.
    """
    codec = pipeline.codec
    part = sound[: JUDGED * pipeline.window * codec.hop]
    part = MODEL_PEAK / part.abs().max().clamp(min=AUDIBLE) * part
    own = codec.encode(part[None].to(pipeline.device))[0].cpu()
    route = pipeline.route()._replace(antithetic=0.0)
    takes = latents(pipeline.model, [pipeline.encode(part)] * TAKES, range(TAKES), route, pipeline.batch)
    sounds = pipeline.decode(torch.stack([own, *takes]))[:, : len(part)]
    kept, *made = envelopes(pipeline.log_mel(sounds.to(pipeline.device)).cpu(), pipeline.log_mel.config.gain)
    return float(torch.stack([(one - kept).square().mean().sqrt() for one in made]).mean())


def _known(pipeline: Any, sound: torch.Tensor) -> bool:
    """Whether the model makes a sound (samples,) of its codes that is near enough to it."""
    far = distance(pipeline, sound)
    return far < UNKNOWN or (far < UNKNOWN_FEW and variety(sound, pipeline.codec.sample_rate) < FEW_NOTES)


def _audible(pipeline: Any, source: Levelled) -> torch.Tensor | None:
    """The first seconds (samples,) of what can be heard of a source; None where that is too short, or where
    the model's level 1 is no average over time."""
    rate = pipeline.codec.sample_rate
    sound = audible(source, rate)
    return sound if len(sound) >= SHORTEST_SOUND * rate and pipeline.model.pooled[0] else None
