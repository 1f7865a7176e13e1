"""Renders the voices of a melody source apart and adds them: models lose notes that sound at once."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch

from msdae.audio.contour import Contour
from msdae.audio.files import BLOCK
from msdae.audio.levels import Levelled
from msdae.audio.windows import cut
from msdae.errors import UserError
from msdae.inference.decoding import Blocks, finished
from msdae.inference.encoding import Job, jobs
from msdae.inference.latents import Advance, ignored
from msdae.inference.settings import AUTO, Mix, Sampling
from msdae.inference.sources import Melody


def planned(pipeline: Any, mix: Mix, series: Sequence[float]) -> tuple[list[Mix], list[Job]]:
    """Of a mix: a mix for each voice, and what is to be encoded for a series of strengths; arguments as of
    `Pipeline.mixed`, but resolved."""
    voices = by_voice(mix, pipeline.sampling)
    every = (some for voice in voices for some in jobs(pipeline, voice, min(series)))
    return voices, list(dict.fromkeys(job for some in every for job in some))


def by_voice(mix: Mix, sampling: Sampling) -> list[Mix]:
    """A mix for each voice of the melody source, or the mix itself if that source has one.

    mix: as `Pipeline.resolved` returns it. sampling: its `transcription`, `voices` and `transpose` count.

    Raises:
        UserError: it is to be transposed, but some of its notes are another source's; as `Melody.voices`.
    """
    melody, voices = mix.melody, [mix.melody]
    if isinstance(melody, Melody):
        voices = melody.voices(sampling.voices, sampling.transcription == AUTO, sampling.transpose)
    elif sampling.transpose:
        reason = "levels 2 and 3 come from another source than the melody's"
        raise UserError(f"transpose: {reason}; leave it out, or swap level 1 alone")

    def of(voice: Levelled) -> Mix:
        levels = {level: voice if source is mix.melody else source for level, source in mix.levels.items()}
        return dataclasses.replace(mix, melody=voice, levels=levels)

    return [of(voice) for voice in voices]


def contours_of(voices: Sequence[Mix]) -> list[Contour]:
    """The contour of each voice's melody source, which renderings of several strengths share."""
    return [Contour(voice.melody) for voice in voices]


def finished_voices(
    pipeline: Any,
    mix: Mix,
    voices: Sequence[Mix],
    latents: Sequence[torch.Tensor],
    contours: Sequence[Contour],
    advance: Advance = ignored,
) -> Blocks:
    """The sum of the renderings of all voices, each as loud against the others as in the source; blocks of
    (samples,).

    pipeline: a `Pipeline`. mix: resolved. voices: its mixes, as `by_voice` returns them. latents: of each,
    (channels, frames). contours: as `contours_of` returns them. advance: called with the share of the work
    that each block is.
    """

    def share(part: float) -> None:
        advance(part / len(voices))

    each = zip(latents, voices, contours, strict=True)
    renderings = [finished(pipeline, *one, share) for one in each]
    if len(voices) == 1:
        yield from renderings[0]
        return
    firsts = range(0, mix.melody.origin.samples, BLOCK)
    gains = [mix.melody.gain / voice.melody.gain for voice in voices]
    for blocks in zip(*(cut(blocks, firsts, BLOCK) for blocks in renderings), strict=True):
        yield torch.stack([gain * block for gain, block in zip(gains, blocks, strict=True)]).sum(dim=0)
