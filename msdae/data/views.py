"""What the encoders see of a training clip: other clips that share one attribute with it.

Trained on one clip for all levels, nothing makes a level forget what another one holds, and a swap is
input that the denoiser has never seen. Here the pooled levels see another excerpt of the same sound, and
the other levels the same notes by another sound, so that every training step is a swap.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from msdae.data import order, perturb
from msdae.data.cache import Batch, ClipCache, sound_of
from msdae.errors import UserError

TIMBRE, CONTENT = ("same", "excerpt"), ("same", "rendition")


@dataclass(frozen=True)
class ViewConfig:
    """What pooled levels see (`timbre`) and what the others see (`content`); the target is the clip itself.

    timbre: the "same" clip, or an "excerpt": another clip of the same sound, by preference of other notes.
    content: the "same" clip, or a "rendition": the same notes by another sound, where there is one.
    scramble: share of the timbre views whose time is shuffled (see `perturb.scramble`).
    recolour: share of the content views whose spectral envelope is changed (see `perturb.recolour`).
    """

    timbre: str = "excerpt"
    content: str = "rendition"
    scramble: float = 0.5
    recolour: float = 0.3

    def __post_init__(self):
        for name, value, known in (("timbre", self.timbre, TIMBRE), ("content", self.content, CONTENT)):
            if value not in known:
                raise UserError(f"views: {name} is '{value}', expected {' or '.join(known)}")

    @property
    def plain(self) -> bool:
        return (self.timbre, self.content, self.scramble, self.recolour) == ("same", "same", 0, 0)


class Partners:
    """Which clips share the sound, and which the notes, of each clip.

    A clip's sound is its label `sound`, else its instrument (single notes), stem or recording; its notes are
    its label `score`, else its pitch (single notes).
    """

    def __init__(self, clips: Sequence[dict[str, Any]]):
        self.sounds = np.unique([sound_of(clip) for clip in clips], return_inverse=True)[1]
        self.scores = np.unique([_score(clip) for clip in clips], return_inverse=True)[1]
        self.by_sound, self.by_score = _members(self.sounds), _members(self.scores)

    def excerpt(self, index: int, draw: float) -> int:
        """A clip of the same sound, of other notes where there is one; draw: [0, 1) chooses."""
        members = self.by_sound[self.sounds[index]]
        return _chosen(members, self.scores, index, draw)

    def rendition(self, index: int, draw: float) -> int:
        """A clip of the same notes by another sound; the clip itself where there is none."""
        members = self.by_score[self.scores[index]]
        others = members[self.sounds[members] != self.sounds[index]]
        return int(others[int(draw * len(others))]) if len(others) else index


class Views:
    """The clips of a cache, with views for the levels of a model. Batches are as those of `ClipCache`.

    Raises:
        UserError: shards, whose clips cannot be looked up.
    """

    def __init__(self, clips: Any, config: ViewConfig):
        if not isinstance(clips, ClipCache):
            raise UserError(
                "views of other clips need a cache, not shards; prepare the data without --shards, or train "
                "a recipe without views (--config experiments/configs/thesis-small.yaml)"
            )
        self.clips, self.config = clips, config
        self.partners = Partners(clips.clips)
        self.manifest = clips.manifest

    def batches(
        self, batch_size: int, seed: int = 0, start: int = 0, rank: int = 0, world: int = 1
    ) -> Iterator[Batch]:
        """As `ClipCache.batches`; partners and perturbations depend on seed, step and rank only."""
        step = start
        share = batch_size // world
        for indices in order.batches(len(self.clips), batch_size, seed, start, rank, world):
            draws = np.random.default_rng([seed, step, 1]).random((batch_size, 2))
            yield self._with_views(indices, draws[rank * share :][:share], (seed, step, rank))
            step += 1

    def _with_views(self, indices: np.ndarray, draws: np.ndarray, seed: tuple[int, int, int]) -> Batch:
        c, partners, batch = self.config, self.partners, self.clips.batch(indices)
        excerpts, renditions = indices, indices
        timbre = content = batch.mel
        if c.timbre == "excerpt":
            excerpts = np.array([partners.excerpt(i, d) for i, d in zip(indices, draws[:, 0], strict=True)])
            timbre = self.clips.batch(excerpts).mel
        if c.content == "rendition":
            renditions = np.array(
                [partners.rendition(i, d) for i, d in zip(indices, draws[:, 1], strict=True)]
            )
            content = self.clips.batch(renditions).mel
        generator = torch.Generator().manual_seed(int(np.random.default_rng([*seed, 2]).integers(2**62)))
        timbre = _some(timbre, c.scramble, generator, perturb.scramble)
        gain = self.clips.manifest["mel"]["gain"]
        content = _some(content, c.recolour, generator, lambda mel, g: perturb.recolour(mel, g, 1.0, gain))
        sounds = torch.from_numpy(partners.sounds)
        return replace(batch, timbre=timbre, content=content, content_sound=sounds[renditions])


def _some(mel: torch.Tensor, share: float, generator: torch.Generator, change) -> torch.Tensor:
    """`change` applied to a random `share` of the clips."""
    chosen = torch.rand(len(mel), generator=generator) < share
    if not chosen.any():
        return mel
    mel = mel.clone()
    mel[chosen] = change(mel[chosen], generator)
    return mel


def _chosen(members: np.ndarray, apart: np.ndarray, index: int, draw: float) -> int:
    others = members[apart[members] != apart[index]]
    others = others if len(others) else members[members != index]
    return int(others[int(draw * len(others))]) if len(others) else index


def _members(ids: np.ndarray) -> list[np.ndarray]:
    by_id = np.argsort(ids, kind="stable")
    return np.split(by_id, np.cumsum(np.bincount(ids))[:-1])


def _score(clip: dict[str, Any]) -> str:
    if "score" in clip:
        return f"score {clip['score']}"
    return f"pitch {clip['pitch']}" if clip.get("pitch") is not None else f"clip {clip['name']}"
