"""What the metrics' networks are fitted to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msdae import codecs, limits
from msdae.errors import UserError
from msdae.limits import COUNT, SEED, Range, Share

CLIPS = Range(2, 1000, reason="an instrument has no more that differ")


@dataclass(frozen=True)
class MetricConfig:
    """What the metrics' networks are fitted to and checked with.

    clips: of each instrument of the first SoundFont to learn from; half as many, two at least, of others'.
    coded: further ones, through each of the codecs: swaps are heard through one.
    rooms: share of all these that are played in rooms.
    references: of each instrument to check with.
    checked: how many of them also go through each codec.
    codecs: names or files.
    steps: of each network.
    seed: of clips and networks.
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
    """A codec's name, or that of its file."""
    return Path(codec).stem
