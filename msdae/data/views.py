"""What the encoders see of a training clip: other clips that share one attribute with it.

Trained on one clip for all levels, nothing makes a level forget what another one holds, and a swap is
input that the denoiser has never seen. Here the pooled levels see another excerpt of the same sound, and
the other levels the same notes by another sound, so that every training step is a swap.
"""

import dataclasses
import functools
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch

from msdae.data import order, perturb
from msdae.data.cache import Batch, ClipCache, score_of, sound_of
from msdae.data.joined import joined_batch
from msdae.data.shards import Shard, ShardStream
from msdae.errors import UserError
from msdae.limits import SHARE, check

TIMBRE, CONTENT = ("same", "excerpt"), ("same", "rendition")


@dataclass(frozen=True)
class ViewConfig:
    """What pooled levels see (`timbre`) and what the others see (`content`); the target is the clip itself.

    timbre: the "same" clip, or an "excerpt": another clip of the same sound, by preference of other notes.
    content: the "same" clip, or a "rendition": the same notes by another sound; where no other clip has them,
        the clip itself with its spectral envelope changed, as `recolour`.
    scramble: share of the timbre views whose time is shuffled (see `perturb.scramble`).
    recolour: share of the other content views whose spectral envelope is changed (see `perturb.recolour`).
    """

    timbre: str = "excerpt"
    content: str = "rendition"
    scramble: Annotated[float, SHARE] = 0.5
    recolour: Annotated[float, SHARE] = 0.3

    def __post_init__(self):
        for name, value, values in (("timbre", self.timbre, TIMBRE), ("content", self.content, CONTENT)):
            if value not in values:
                raise UserError(f"views: {name} is '{value}', expected {' or '.join(values)}")
        check(self)

    @property
    def plain(self) -> bool:
        """Whether every level sees the clip itself, unchanged."""
        return (self.timbre, self.content, self.scramble, self.recolour) == ("same", "same", 0, 0)


class Partners:
    """Which clips share the sound, and which the notes, of each clip.

    A clip's sound is its label `sound`, else its instrument (single notes), stem or recording; its notes are
    its label `score`, else its pitch (single notes).
    """

    def __init__(self, clips: Sequence[dict[str, Any]]):
        self.sounds = np.unique([sound_of(clip) for clip in clips], return_inverse=True)[1]
        self.scores = np.unique([score_of(clip) for clip in clips], return_inverse=True)[1]
        self.by_sound, self.by_score = _members(self.sounds), _members(self.scores)

    def excerpt(self, index: int, draw: float) -> int:
        """A clip of the same sound, of other notes where there is one; draw: [0, 1) chooses."""
        members = self.by_sound[self.sounds[index]]
        others = members[self.scores[members] != self.scores[index]]
        others = others if len(others) else members[members != index]
        return int(others[int(draw * len(others))]) if len(others) else index

    def rendition(self, index: int, draw: float) -> int:
        """A clip of the same notes by another sound; the clip itself where there is none."""
        members = self.by_score[self.scores[index]]
        others = members[self.sounds[members] != self.sounds[index]]
        return int(others[int(draw * len(others))]) if len(others) else index


@dataclass(frozen=True)
class ClipDraws:
    """The random choices of one clip of a batch; each place in the global batch has its own."""

    excerpt: float
    rendition: float
    scramble: float
    recolour: float
    timbre: torch.Generator
    content: torch.Generator

    @staticmethod
    def of(seed: int, step: int, place: int) -> "ClipDraws":
        """The choices of a place in the global batch, whichever process has it."""
        rng = np.random.default_rng([seed, step, place, 1])
        generators = (torch.Generator().manual_seed(int(rng.integers(2**62))) for _ in range(2))
        return ClipDraws(*rng.random(4), *generators)


class Views:
    """The clips of a cache or of shards, with views for the levels of a model.

    Batches are as those of `ClipCache`. Partners in shards are looked for in the shard of the clip.
    """

    def __init__(self, clips: ClipCache | ShardStream, config: ViewConfig):
        self.clips, self.config = clips, config
        self.manifest = clips.manifest
        self._partners: weakref.WeakKeyDictionary[Any, Partners] = weakref.WeakKeyDictionary()

    def __reduce__(self):
        return Views, (self.clips, self.config)  # a worker process finds the partners itself

    def batches(
        self, batch_size: int, seed: int = 0, start: int = 0, rank: int = 0, world: int = 1
    ) -> Iterator[Batch]:
        """As `ClipCache.batches`; partners and perturbations depend on seed, step and place only."""
        for step, runs in enumerate(self.clips.runs(batch_size, seed, start, rank, world), start):
            places = iter(order.positions(0, batch_size, rank, world))
            batches = []
            for store, indices in runs:
                draws = [ClipDraws.of(seed, step, next(places)) for _ in indices]
                batches.append(self._batch(store, indices, draws))
            yield joined_batch(batches)

    def partners(self, store: ClipCache | Shard) -> Partners:
        """The partners of the clips of a store."""
        if store not in self._partners:
            self._partners[store] = Partners(store.clips)
        return self._partners[store]

    def _batch(self, store: ClipCache | Shard, indices: np.ndarray, draws: Sequence[ClipDraws]) -> Batch:
        c, partners, batch = self.config, self.partners(store), store.batch(indices)
        timbre = content = batch.mel
        content_sound, bent = batch.content_sound, torch.tensor([d.recolour < c.recolour for d in draws])
        pairs = list(zip(indices, draws, strict=True))
        if c.timbre == "excerpt":
            timbre = store.mel([partners.excerpt(index, draw.excerpt) for index, draw in pairs])
        if c.content == "rendition":
            renditions = np.array([partners.rendition(index, draw.rendition) for index, draw in pairs])
            content = store.mel(renditions)
            content_sound = torch.from_numpy(store.sounds[renditions])
            bent |= torch.from_numpy(renditions == indices)
        subset = torch.tensor([draw.scramble < c.scramble for draw in draws])
        timbre = _changed(timbre, subset, [draw.timbre for draw in draws], perturb.scramble)
        recolour = functools.partial(perturb.recolour, strength=1.0, gain=self.manifest["mel"]["gain"])
        content = _changed(content, bent, [draw.content for draw in draws], recolour)
        return dataclasses.replace(batch, timbre=timbre, content=content, content_sound=content_sound)


def _changed(
    mel: torch.Tensor, subset: torch.Tensor, generators: Sequence[torch.Generator], change
) -> torch.Tensor:
    """`change` applied to the clips of `subset`, (clips,) bool."""
    if not subset.any():
        return mel
    mel = mel.clone()
    mel[subset] = change(mel[subset], [g for g, included in zip(generators, subset, strict=True) if included])
    return mel


def _members(ids: np.ndarray) -> list[np.ndarray]:
    by_id = np.argsort(ids, kind="stable")
    return np.split(by_id, np.cumsum(np.bincount(ids))[:-1])
