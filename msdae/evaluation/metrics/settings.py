"""Settings for fitting and checking the networks of the metrics."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msdae import codecs, limits
from msdae.errors import UserError
from msdae.limits import COUNT, SEED, Range, Share

FIX = "train it again with experiments/train_metrics.py"  # for a network's file that does not fit
CLIPS = Range(2, 1000, reason="an instrument has no more that differ")


@dataclass(frozen=True)
class MetricConfig:
    """What the networks of the metrics are fitted to and checked with.

    clips: to learn from, of each instrument of the first SoundFont; half as many (at least two) of another's,
        four times as many of a recorded one.
    coded: further clips through each codec, as swaps are heard through one; none of other SoundFonts, four
        times as many of a recorded instrument.
    rooms: share of all these clips that are played in rooms.
    references: clips of each instrument to check with.
    checked: how many of them are also checked through each codec, and in rooms.
    codecs: names or files of codecs.
    steps: training steps of each network.
    seed: seed of the clips and the networks.
    """

    clips: Annotated[int, CLIPS] = 48
    coded: Annotated[int, Range(0, CLIPS.high)] = 3
    rooms: Share = 0.3
    references: Annotated[int, CLIPS] = 18
    checked: Annotated[int, Range(1, CLIPS.high)] = 3
    codecs: tuple[str, ...] = (codecs.DEFAULT, "spectral")
    steps: Annotated[int, COUNT] = 5000
    seed: Annotated[int, SEED] = 0

    def __post_init__(self):
        limits.check(self)
        if len(set(map(short, self.codecs))) < len(self.codecs):
            raise UserError(f"codecs {', '.join(self.codecs)}: name each once, files of different names")


def short(codec: str) -> str:
    """A codec's name, or the name of its file without extension."""
    return Path(codec).stem
