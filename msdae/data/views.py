"""What the encoders see of a training clip: other clips that share one attribute with it.

If all levels saw the same clip in training, nothing would make a level forget what another one holds, and a
swap would be input that the denoiser has never seen. Here the pooled levels see another excerpt of the same
sound, and the other levels the same notes by another sound, so that every training step is a swap.
"""

import dataclasses
import functools
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from msdae.data import order, perturb
from msdae.data.cache import Batch, ClipCache, score_of, sound_of
from msdae.data.draws import CPU, Draws, moved
from msdae.data.joined import joined_batch
from msdae.data.shards import Shard, ShardStream
from msdae.errors import UserError
from msdae.limits import Share, check

TIMBRE, CONTENT = ("same", "excerpt"), ("same", "rendition")


@dataclass(frozen=True)
class ViewConfig:
    """What pooled levels see (`timbre`) and what the others see (`content`); the target is the clip itself.

    timbre: the "same" clip, or an "excerpt": another clip of the same sound, by preference of other notes;
        where there is none, the clip itself with its time shuffled, as `scramble`.
    content: the "same" clip, or a "rendition": the same notes by another sound; where no other clip has them,
        the clip itself with its spectral envelope changed, as `recolour`.
    scramble: share of the timbre views whose time is shuffled (see `perturb.scramble`).
    recolour: share of the content views whose spectral envelope is changed (see `perturb.recolour`), beside
        those for which there is no rendition.
    loudness, vibrato: shares of the content views whose dynamics and vibrato are changed (see `perturb`), so
        that a sound brings its own.
    """

    timbre: str = "excerpt"
    content: str = "rendition"
    scramble: Share = 0.5
    recolour: Share = 0.3
    loudness: Share = 0.0
    vibrato: Share = 0.0

    def __post_init__(self):
        for name, value, values in (("timbre", self.timbre, TIMBRE), ("content", self.content, CONTENT)):
            if value not in values:
                raise UserError(f"views: {name} is '{value}', expected {' or '.join(values)}")
        check(self)

    @property
    def plain(self) -> bool:
        """Whether every level sees the clip itself, unchanged."""
        shares = self.scramble, self.recolour, self.loudness, self.vibrato
        return (self.timbre, self.content) == ("same", "same") and not any(shares)


class Partners:
    """Which clips share the sound, and which the notes, of each clip.

    A clip's sound is its label `sound`, else its instrument (single notes), stem or recording; its notes are
    those that its label `score` has at the place of the clip in its recording, else its pitch (single notes).

    clips: labels. device: of the tensors that partners are asked for by.
    """

    def __init__(self, clips: Sequence[dict[str, Any]], device: torch.device = CPU):
        sounds, scores = (
            np.unique([of(clip) for clip in clips], return_inverse=True)[1] for of in (sound_of, score_of)
        )
        self._sounds = [table.to(device) for table in _others(sounds, scores, lone=False)]
        self._scores = [table.to(device) for table in _others(scores, sounds, lone=True)]

    def excerpt(self, indices: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
        """For each clip another one of the same sound, by preference of other notes, or the clip itself if it
        is the only one: (clips,). indices, draws: (clips,); draws, from 0 to 1, choose."""
        return _chosen(self._sounds, indices, draws)

    def rendition(self, indices: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
        """As `excerpt`, a clip of the same notes by another sound; the clip itself if there is none."""
        return _chosen(self._scores, indices, draws)


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
        places = order.positions(0, batch_size, rank, world)
        share = slice(places.start, places.stop)
        for step, runs in enumerate(self.clips.runs(batch_size, seed, start, rank, world), start):
            batches, first = [], share.start
            for store, indices in runs:
                part = slice(first, first + len(indices))
                first = part.stop
                draws = [Draws((seed, step, kind), batch_size, part, store.device) for kind in range(5)]
                batches.append(self._batch(store, indices, *draws))
            yield joined_batch(batches)

    def partners(self, store: ClipCache | Shard) -> Partners:
        """The partners of the clips of a store."""
        if store not in self._partners:
            self._partners[store] = Partners(store.clips, store.device)
        return self._partners[store]

    def _batch(
        self,
        store: ClipCache | Shard,
        indices: np.ndarray,
        choices: Draws,
        time: Draws,
        colour: Draws,
        level: Draws,
        waves: Draws,
    ) -> Batch:
        c, partners, batch = self.config, self.partners(store), store.batch(indices)
        gain, own = self.manifest["mel"]["gain"], moved(torch.from_numpy(indices), store.device)
        excerpt, rendition, *shares = choices.uniform(6).unbind(1)
        pairs = zip(shares, (c.scramble, c.recolour, c.loudness, c.vibrato), strict=True)
        scrambled, bent, ridden, waved = (draw < share for draw, share in pairs)
        timbre = content = batch.mel
        content_sound = batch.content_sound
        if c.timbre == "excerpt":
            excerpts = partners.excerpt(own, excerpt)
            timbre = store.mel(excerpts)
            scrambled = scrambled | (excerpts == own)
        if c.content == "rendition":
            renditions = partners.rendition(own, rendition)
            content, content_sound = store.mel(renditions), store.sound(renditions)
            bent = bent | (renditions == own)
        recolour = functools.partial(perturb.recolour, gain=gain)
        timbre = _changed(timbre, scrambled, time, perturb.scramble)
        content = _changed(content, bent, colour, recolour)
        if c.loudness:
            content = _changed(content, ridden, level, perturb.loudness)
        if c.vibrato:
            content = _changed(content, waved, waves, perturb.vibrato)
        return dataclasses.replace(batch, timbre=timbre, content=content, content_sound=content_sound)


def _changed(
    mel: torch.Tensor, subset: torch.Tensor, draws: Draws, change: Callable[..., torch.Tensor]
) -> torch.Tensor:
    """`change` applied to the clips of `subset`, (clips,) bool."""
    if mel.device.type != "cpu":  # an accelerator would be waited for to know which these are
        return torch.where(subset[:, None, None], change(mel, draws), mel)
    if not subset.any():
        return mel
    mel = mel.clone()
    mel[subset] = change(mel[subset], draws.of(subset))
    return mel


def _others(groups: np.ndarray, parts: np.ndarray, lone: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """For each clip, the clips of its group that are not of its part.

    If clips are ordered by group and part, these are the run of the clip's group, with a gap in it: the run
    of the clip's own part.

    groups, parts: (clips,), numbers. lone: whether a clip without such others has itself; otherwise it has
        the rest of its group.

    Returns the clips in that order, (clips,), and for each clip (clips, 4): the start of the run, how many
    others it has, the start of the gap, and the size of the gap.
    """
    clips = np.arange(len(groups))
    ordered = np.lexsort((parts, groups))
    place = np.empty_like(clips)
    place[ordered] = clips
    (first, size), (part_first, part_size) = (
        _extents(ids[ordered], place) for ids in (groups, groups * (parts.max(initial=0) + 1) + parts)
    )
    table = np.stack([first, size - part_size, part_first, part_size], axis=1)
    rest = np.stack([first, size - 1, place, np.ones_like(place)], axis=1)
    itself = np.stack([place, np.ones_like(place), place + 1, np.zeros_like(place)], axis=1)
    spare = itself if lone else np.where(size[:, None] > 1, rest, itself)
    return torch.from_numpy(ordered), torch.from_numpy(np.where(table[:, 1:2] > 0, table, spare))


def _extents(ids: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the run of equal `ids`, which are in order, begins around each place, and how long it is."""
    _, first, inverse, count = np.unique(ids, return_index=True, return_inverse=True, return_counts=True)
    return first[inverse][place], count[inverse][place]


def _chosen(others: Sequence[torch.Tensor], indices: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """One of the others of each clip, (clips,); see `_others`."""
    ordered, table = others
    first, size, none, skipped = table[indices].unbind(1)
    chosen = first + torch.minimum((draws.double() * size).long(), size - 1)
    return ordered[chosen + torch.where(chosen >= none, skipped, 0)]
