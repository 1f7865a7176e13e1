"""Renders the voices of a score apart and adds them, since models lose notes where several sound at once."""

import dataclasses
from collections.abc import Sequence

import torch

from msdae.audio.files import BLOCK
from msdae.audio.levels import Levelled
from msdae.audio.windows import cut
from msdae.inference.decoding import Blocks
from msdae.inference.settings import Mix
from msdae.inference.sources import Melody


def by_voice(mix: Mix) -> list[Mix]:
    """A mix for each voice of the melody source; the mix itself if that source is no score of several.

    mix: as `Pipeline.resolved` returns it.
    """
    voices = mix.melody.voices if isinstance(mix.melody, Melody) else (mix.melody,)

    def of(voice: Levelled) -> Mix:
        levels = {level: voice if source is mix.melody else source for level, source in mix.levels.items()}
        return dataclasses.replace(mix, melody=voice, levels=levels)

    return [of(voice) for voice in voices]


def added(mix: Mix, voices: Sequence[Mix], renderings: Sequence[Blocks]) -> Blocks:
    """The sum of the renderings of all voices, each as loud against the others as in the score.

    mix: resolved. voices: its mixes, as `by_voice` returns them. renderings: one of each, all of one length.
    """
    if len(voices) == 1:
        yield from renderings[0]
        return
    firsts = range(0, mix.melody.origin.samples, BLOCK)
    gains = [mix.melody.gain / voice.melody.gain for voice in voices]
    for blocks in zip(*(cut(blocks, firsts, BLOCK) for blocks in renderings), strict=True):
        yield torch.stack([gain * block for gain, block in zip(gains, blocks, strict=True)]).sum(dim=0)
