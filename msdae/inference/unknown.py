"""Sounds that the model does not know, which it learns in a few steps before it renders with them.

Whether it knows a sound shows in how well it reconstructs it.
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import torch

from msdae.audio.equaliser import envelopes
from msdae.audio.levels import MODEL_PEAK, Levelled
from msdae.audio.neighbours import variety
from msdae.audio.windows import Waveform
from msdae.inference.audible import AUDIBLE, audible
from msdae.inference.latents import latents
from msdae.inference.settings import ALWAYS, NEVER, Mix
from msdae.inference.sounds import LearntSound
from msdae.limits import SHORTEST_SOUND
from msdae.progress import Progress, silent

UNKNOWN_SOUND = "note: the model does not know this sound, and learnt it first; --learn never leaves that out"
UNKNOWN = 3.3  # dB of `distance` from which on the model does not know a sound
UNKNOWN_FEW = 6.0  # the same for a source of few notes, from which less can be told
FEW_NOTES = 0.35  # a source whose `variety` is below this has few notes
JUDGED, TAKES = 2, 4  # windows of a sound that the model reconstructs, and how often
REMEMBERED = 64  # sounds, at most, that a pipeline remembers


def learnt_first(
    pipeline: Any, mix: Mix, series: Sequence[float], progress: Progress = silent
) -> tuple[Mix, LearntSound | None]:
    """The mix with its timbre source replaced by what the model learns of it, and what it learns of the
    melody source's own sound; each if that sound is rendered, and has to be learnt (`learnt`).

    mix: a resolved one. series: strengths. Otherwise as `learnt`.
    """
    timbre, levels, own = mix.levels.get(1, mix.melody), dict(mix.levels), None
    if timbre is mix.melody:
        levels.pop(1, None)
    elif max(series) and 1 not in mix.codes:
        levels[1] = learnt(pipeline, timbre, progress) or timbre
    if timbre is mix.melody or min(series) < 1:
        own = learnt(pipeline, mix.melody, progress)
    return dataclasses.replace(mix, levels=levels), own


def learnt(pipeline: Any, timbre: Levelled, progress: Progress = silent) -> LearntSound | None:
    """What the model learns of a timbre source in a few steps, if it does not know its sound or
    `Sampling.learn` is "always".

    None if it knows the sound, if `Sampling.learn` is "never", if too little can be heard, or if level 1 is
    not pooled.

    pipeline: a `Pipeline`, which remembers the sound; errors are those of its `encode`.
    """
    if pipeline.sampling.learn == NEVER or not pipeline.model.pooled[0]:
        return None
    sound, remembered = audible(timbre, pipeline.codec.sample_rate), pipeline.remembered
    if len(sound) < SHORTEST_SOUND * pipeline.codec.sample_rate:
        return None
    key = pipeline.sampling.learn, hashlib.sha256(sound.numpy().tobytes()).digest()
    if key not in remembered:
        known = pipeline.sampling.learn != ALWAYS and _known(pipeline, sound)
        remembered[key] = None if known else _lesson(pipeline, sound, progress)
        if len(remembered) > REMEMBERED:
            del remembered[next(iter(remembered))]
    return remembered[key]


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


def _lesson(pipeline: Any, sound: torch.Tensor, progress: Progress) -> LearntSound:
    """What the model of a pipeline learns of a sound (samples,) in a few steps."""
    from msdae.training import lesson  # only such sounds need it

    made = lesson.briefly(pipeline.model, pipeline.codec, Waveform(sound), lesson.BRIEF, progress)
    facts = pipeline.fingerprint, (), made.seconds, made.steps
    return LearntSound(made.code, made.adapter, *facts, tokens=made.tokens)
