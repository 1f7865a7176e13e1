"""Whether captions of one instrument lie near each other under a text encoder, whatever their words."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from msdae.symbolic.captions import Traits, captions, traits
from msdae.symbolic.instruments import INSTRUMENTS
from msdae.symbolic.phrases import PHRASES, Phrases

OTHERS = ("register", "density", "tempo", "room", "dynamics", "articulation")  # drawn at random


def retrieval(
    embed: Callable[[Sequence[str]], torch.Tensor], references: int = 4, queries: int = 2, seed: int = 0
) -> dict[str, float]:
    """The shares of queries whose nearest reference is of the same family, and of the same instrument.

    Queries and references are captions of every instrument, their other traits drawn at random; the last
    synonym of each value is said by queries only, the others by references only.

    embed: texts -> (texts, channels), of length 1. references, queries: captions of an instrument.
    """
    shelf = _clips(_synonyms(slice(None, -1)), references, f"{seed}/references")
    clips = _clips(_synonyms(slice(-1, None)), queries, f"{seed}/queries")
    near = embed([text for _, text in clips]) @ embed([text for _, text in shelf]).T
    nearest = [shelf[index][0] for index in near.argmax(dim=1).tolist()]
    pairs = [(clip, other) for (clip, _), other in zip(clips, nearest, strict=True)]
    return {
        trait: sum(getattr(one, trait) == getattr(other, trait) for one, other in pairs) / len(pairs)
        for trait in ("family", "instrument")
    }


def _clips(phrases: Phrases, count: int, seed: str) -> list[tuple[Traits, str]]:
    """(traits, caption) of so many clips of each instrument that has synonyms."""
    rng = random.Random(f"captions/{seed}")
    clips = []
    for instrument in INSTRUMENTS:
        known = traits({"instrument": instrument.name, "family": instrument.family})
        if known.instrument not in phrases["instrument"]:
            continue
        for _ in range(count):
            others = {trait: rng.choice(sorted(phrases[trait])) for trait in OTHERS}
            clip = replace(known, **others)
            clips += [(clip, text) for text in captions(clip, 1, rng.random().hex(), phrases)]
    return clips


def _synonyms(part: slice) -> Phrases:
    return {
        trait: {value: synonyms[part] for value, synonyms in values.items()}
        for trait, values in PHRASES.items()
    }
