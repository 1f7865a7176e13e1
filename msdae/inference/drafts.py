"""Drafts: rough swaps at which sampling begins, in place of noise alone, if the model does not know a timbre.

A draft is the latents of the melody source put together from the nearest frames of the timbre source
(`audio.neighbours`). Noise of the level `latents.SIGMA` is added, and the result is denoised with the codes
of the swap: this keeps the timbre, and mends the notes and the joins between frames. If the model knows the
sound, its codes say more than such frames, and there is no draft. Source: Meng et al. 2022, "SDEdit".
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

UNKNOWN_SOUND = (
    "note: the model does not know this sound, so the swap starts from the recording's own frames; a sound "
    "that is learnt first (swap --learn, 10 s) comes closer"
)
UNKNOWN = 4.5  # dB of `distance` from which on the model does not know a sound
UNKNOWN_FEW = 6.0  # the same for a source of few notes, from which less can be told
FEW_NOTES = 0.35  # a source whose `variety` is below this has few notes
JUDGED, TAKES = 2, 4  # windows of a sound that the model reconstructs, and how often
BLOCK = 4  # windows of the melody source that are processed at once


@torch.no_grad()
def sound_to_draft(pipeline: Any, mix: Mix) -> torch.Tensor | None:
    """The sound (samples,) of a mix's timbre source that `draft` needs; None if the mix needs no draft.

    It needs one only if level 1, and no other, comes from another recording, and if the model does not know
    that sound or `Sampling.draft` is "always". It needs none if the timbre is given as codes, as of a learnt
    sound, if the strength is 0, if too little can be heard, if level 1 is not pooled, or if `Sampling.draft`
    is "never".

    pipeline: a `Pipeline`; errors are those of its `encode`.
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
    """Latents (channels, frames) at which sampling begins: the melody put together from frames of a sound.

    sound: as `sound_to_draft` returns it. even: whether the melody's dynamics are evened out first.
    """
    neighbours, codec = Neighbours(sound, pipeline.codec.sample_rate), pipeline.codec
    made = []
    for block in parts(melody, BLOCK * pipeline.window * codec.hop):
        played = neighbours(dynamics.even(block, codec.sample_rate) if even else block)
        made.append(codec.encode(played[None].to(pipeline.device))[0].cpu())
    return torch.cat(made, dim=-1)


@torch.no_grad()
def distance(pipeline: Any, sound: torch.Tensor) -> float:
    """How far the model's reconstructions of a sound are from it, in dB: the root-mean-square difference of
    their spectral envelopes, averaged over `TAKES` reconstructions.

    sound: (samples,), whose first `JUDGED` windows count, as the codec decodes them.
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
    """Whether the model reconstructs a sound (samples,) closely enough."""
    far = distance(pipeline, sound)
    return far < UNKNOWN or (far < UNKNOWN_FEW and variety(sound, pipeline.codec.sample_rate) < FEW_NOTES)


def _audible(pipeline: Any, source: Levelled) -> torch.Tensor | None:
    """The first audible seconds of a source, (samples,).

    None if they are too short, or if level 1 of the model is not pooled.
    """
    rate = pipeline.codec.sample_rate
    sound = audible(source, rate)
    return sound if len(sound) >= SHORTEST_SOUND * rate and pipeline.model.pooled[0] else None
